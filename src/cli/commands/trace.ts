/** `g8ufs trace`: what is read on a mount as it happens, and what it waits for. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { ControlClient } from '../../fs/control.ts';
import type { NamedEvent, NamedPage } from '../../fs/explain.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly count?: string;
  readonly misses?: boolean;
}

/** Between two looks: the daemon keeps more events than can come within it. */
const LOOK_INTERVAL_MS = 200;

export function command(context: Context): Command {
  const trace = new Command('trace')
    .description('print a line for each read that waits and each file opened first, until Ctrl-C')
    .argument('<dir>', 'mount point, or a path on the mount')
    .option('-n, --count <number>', 'stop after this many lines')
    .option('--misses', 'only reads and opens that waited')
    .action((dir: string, flags: Flags) => run(context, dir, flags));
  return addHelpSections(trace, {
    examples: [
      ['trace /mnt', 'time waited, reason, path and range'],
      ['trace /mnt --misses -n 100', 'the next hundred that had to wait'],
      ['trace /mnt --json', 'an object for each, one a line'],
    ],
    notes: [
      'Reasons: queue, network, decode and disk as g8ufs stats has them; local and partial for a file that is opened the first time since the trace began and did not wait.',
    ],
    failures: ['ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, dir: string, flags: Flags): Promise<void> {
  const { G8Error } = await import('../../base/errors.ts');
  const { withMount } = await import('../mount-access.ts');
  const countMax = flags.count === undefined ? Number.POSITIVE_INFINITY : Number(flags.count);
  if (flags.count !== undefined && !/^[1-9]\d{0,8}$/.test(flags.count)) {
    throw new G8Error('ERR_USAGE', `--count must be a number from 1, not '${flags.count}'`);
  }
  await withMount(context, dir, async (client, mountPoint) => {
    if (!context.quiet && context.stderr.isTTY === true) {
      context.stderr.write(`Tracing ${mountPoint}; Ctrl-C ends\n`);
    }
    await follow(context, client, mountPoint, flags.misses === true, countMax);
  });
}

async function follow(
  context: Context,
  client: ControlClient,
  mountPoint: string,
  onlyMisses: boolean,
  countMax: number,
): Promise<void> {
  const { writeAll } = await import('../ui/output.ts');
  const format = await formatter(context);
  let after: number | undefined;
  let left = countMax;
  while (left > 0 && !context.signal.aborted) {
    const page: NamedPage = await client.request('trace', { mountPoint, after });
    after = page.next;
    if (page.lost > 0) context.stderr.write(`g8ufs: ${page.lost} events came too fast\n`);
    const events = page.events.filter((event) => !onlyMisses || event.type === 'miss');
    const shown = events.slice(0, left);
    left -= shown.length;
    if (shown.length > 0) {
      await writeAll(context.stdout, shown.map(format).join(''), context.signal);
    }
    // Ctrl-C ends the wait, and the trace in good order.
    if (left > 0)
      await delay(LOOK_INTERVAL_MS, undefined, { signal: context.signal }).catch(() => {});
  }
}

async function formatter(context: Context): Promise<(event: NamedEvent) => string> {
  const { jsonLine } = await import('../ui/json.ts');
  if (context.json) return jsonLine;
  const { formatMs, formatPath, formatRange } = await import('../ui/miss.ts');
  return (event) => {
    const waited = event.type === 'miss' ? formatMs(event.ms) : '-';
    const reason = event.type === 'miss' && event.error !== undefined ? event.error : event.reason;
    const range = event.type === 'miss' ? formatRange(event) : 'open';
    const time = event.at.slice(11, 23);
    return `${time}  ${waited.padStart(8)}  ${reason.padEnd(7)}  ${formatPath(event)}  ${range}\n`;
  };
}
