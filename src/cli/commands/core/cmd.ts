/** `g8ufs core cmd`: sends any command to a core daemon and shows what becomes of it. */
import { Command, InvalidArgumentError } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { CoreClient } from '../../../core/client/core-client.ts';
import type { CoreJob } from '../../../core/client/core-job.ts';
import type { CoreResult } from '../../../core/client/core-result.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly redis?: string;
  readonly container?: number;
  readonly id?: string;
  readonly queue?: string;
  readonly tag: readonly string[];
  readonly stream?: boolean;
  readonly maxTime?: number;
}

/** Statuses of processes begin there. */
const STATUS_BASE = 1000;
const ENDED_BY_SIGNAL = 999;

export function command(context: Context): Command {
  const cmd = new Command('cmd')
    .description('send any command to a core daemon and wait for its result')
    .argument('<name>', 'command, such as core.ping or corex.list')
    .argument('[arguments]', 'its arguments as a JSON object')
    .option(
      '--redis <url>',
      'where the daemon takes commands from (default: redis://127.0.0.1:6379)',
    )
    .option('--container <id>', 'inside this container', wholeNumber)
    .option('--stream', 'show what it says while it runs')
    .option('--id <id>', 'id of the job (default: a new one)')
    .option('--queue <name>', 'run after all that was sent to the same queue before')
    .option('--max-time <seconds>', 'end it after this time', wholeNumber)
    .option('--tag <tag>', 'give the job a tag (repeatable)', collect, [])
    .action((name: string, args: string | undefined, flags: Flags) =>
      run(context, name, args, flags),
    );
  return addHelpSections(cmd, {
    notes: [
      'The value of a built-in command is printed as JSON; of a process, what it has written, and its exit status becomes that of this command. With --json the whole result is printed.',
    ],
    examples: [
      ['core cmd core.ping', 'whether the daemon is there'],
      [`core cmd bash '{"script": "df -h"}' --container 3`, 'a script inside a container'],
      ['core cmd corex.list --json', 'all containers, for a script'],
    ],
    settings: ['coreRedis'],
    failures: ['ERR_STORE_UNAVAILABLE', 'ERR_TIMEOUT', 'ERR_PERMISSION', 'ERR_PROTOCOL'],
    results: [[255, 'the process was ended by a signal']],
  });
}

async function run(
  context: Context,
  name: string,
  json: string | undefined,
  flags: Flags,
): Promise<void> {
  const args = parseArguments(json);
  const { loadConfig } = await import('../../../config/config.ts');
  const { CoreClient } = await import('../../../core/client/core-client.ts');
  const config = await loadConfig(context.env, { coreRedis: flags.redis });
  const client = await CoreClient.connect(config.get('coreRedis'), { signal: context.signal });
  try {
    const job = await send(client, name, args, flags);
    if (flags.stream === true && !context.json) await showRecords(context, job);
    const result = await job.result({
      timeoutMs: Number.POSITIVE_INFINITY,
      signal: context.signal,
    });
    await show(context, result, flags.stream === true);
  } finally {
    client.close();
  }
}

async function send(
  client: CoreClient,
  name: string,
  args: Record<string, unknown>,
  flags: Flags,
): Promise<CoreJob> {
  const place = flags.container === undefined ? client : client.container(flags.container);
  return await place.send(name, args, {
    stream: flags.stream === true,
    tags: flags.tag,
    ...(flags.id !== undefined && { id: flags.id }),
    ...(flags.queue !== undefined && { queue: flags.queue }),
    ...(flags.maxTime !== undefined && { maxTimeS: flags.maxTime }),
  });
}

async function showRecords(context: Context, job: CoreJob): Promise<void> {
  const { writeAll } = await import('../../ui/output.ts');
  for await (const { level, text, isEnd } of job.records({ signal: context.signal })) {
    // The end of a built-in command is its value, which is shown with the result.
    if (isEnd) return;
    await writeAll(level === 2 ? context.stderr : context.stdout, text, context.signal);
  }
}

async function show(context: Context, result: CoreResult, wasShown: boolean): Promise<void> {
  const { failureOf } = await import('../../../core/client/core-result.ts');
  const isProcess = result.code > STATUS_BASE || result.code === ENDED_BY_SIGNAL;
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
  } else {
    const { writeAll } = await import('../../ui/output.ts');
    if (!wasShown) {
      await writeAll(context.stdout, result.stdout, context.signal);
      await writeAll(context.stderr, result.stderr, context.signal);
    }
    if (result.state === 'SUCCESS') await showValue(context, result);
  }
  if (result.state === 'SUCCESS') return;
  if (!isProcess) throw failureOf(result);
  context.setExitCode(
    result.code === ENDED_BY_SIGNAL ? 255 : Math.min(result.code - STATUS_BASE, 255),
  );
}

async function showValue(context: Context, { data, level }: CoreResult): Promise<void> {
  if (data === '' || data === 'null') return;
  if (level === 20) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, JSON.parse(data));
    return;
  }
  const { writeAll } = await import('../../ui/output.ts');
  await writeAll(context.stdout, data.endsWith('\n') ? data : `${data}\n`, context.signal);
}

function parseArguments(json: string | undefined): Record<string, unknown> {
  if (json === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new G8Error('ERR_USAGE', 'The arguments of a command are a JSON object');
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Not a whole number.');
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
