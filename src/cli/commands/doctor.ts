/** `g8ufs doctor`: what this machine can do for mounts and containers, and what to change. */
import { Command } from 'commander';
import type { Context } from '../context.ts';
import type { Check, Finding } from '../doctor/finding.ts';
import { addHelpSections } from '../help.ts';
import { paint } from '../ui/color.ts';

export function command(context: Context): Command {
  const doctor = new Command('doctor')
    .description('say what this machine supports, and what to change')
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .action((flags: { cache?: string }) => run(context, flags.cache));
  return addHelpSections(doctor, {
    notes: [
      'A small mount is made and read on the file system of the cache, and taken away; nothing is changed. The hub (G8UFS_HUB) and the Redis of the core daemon (G8UFS_CORE_REDIS) are asked when they are set.',
      'It ends with 1 when something is missing that a mount needs (fail). Warnings are about speed, containers and servers.',
    ],
    examples: [
      ['doctor', 'on a new machine'],
      ['doctor --json', 'for a script'],
    ],
    settings: ['cacheDir', 'cacheSize', 'cacheFree', 'hub', 'coreRedis', 'coreRuntime', 'coreInit'],
    failures: ['ERR_CONFIG'],
  });
}

async function run(context: Context, cache: string | undefined): Promise<void> {
  const findings: Finding[] = [];
  for (const [topic, check] of await checksOf(context, cache)) {
    context.signal.throwIfAborted();
    try {
      findings.push(...(await check()));
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      findings.push({ topic, state: 'warn', text, hint: 'this could not be looked at' });
    }
  }
  const isFit = findings.every(({ state }) => state !== 'fail');
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { ok: isFit, findings });
  } else {
    const { writeAll } = await import('../ui/output.ts');
    const shown = context.quiet ? findings.filter(({ state }) => state !== 'ok') : findings;
    await writeAll(context.stdout, textOf(shown, context.color), context.signal);
  }
  if (!isFit) context.setExitCode(1);
}

/** What is looked at, in this order. Servers only when somebody has named them. */
async function checksOf(
  context: Context,
  cache: string | undefined,
): Promise<(readonly [string, Check])[]> {
  const { release } = await import('node:os');
  const { loadConfig } = await import('../../config/config.ts');
  const host = await import('../doctor/host.ts');
  const { cacheFindings, existing } = await import('../doctor/cache.ts');
  const { coreFindings } = await import('../doctor/core.ts');
  const { confined } = await import('../../fs/confine.ts');
  const { env } = context;
  const config = await loadConfig(env, { cacheDir: cache });
  const cacheDir = config.get('cacheDir');
  const path = env['PATH'] ?? '';
  const uid = process.getuid?.() ?? 0;
  const hub = config.get('hub');
  const checks: (readonly [string, Check])[] = [
    ['kernel', () => host.kernelFindings(release())],
    ['node', () => host.nodeFindings(process.versions.node)],
    ['fuse', () => host.fuseFindings(uid, path)],
    ...(uid === 0
      ? [['root', () => host.rootFindings(confined(process.execPath, []))] as const]
      : []),
    [
      'cache',
      () =>
        cacheFindings(cacheDir, {
          sizeMax: config.get('cacheSize'),
          // As the daemon does it: the usual floor is cut to a share of a small disk.
          freeFloor:
            config.effective('cacheFree').origin === 'default'
              ? undefined
              : config.get('cacheFree'),
        }),
    ],
    ['mount', async () => await probed(await existing(cacheDir), uid === 0)],
    ['limits', () => host.limitFindings()],
    ['clock', () => host.clockFindings(new Date())],
    [
      'core',
      () =>
        coreFindings(
          { runtime: config.get('coreRuntime'), initProgram: config.get('coreInit') },
          path,
        ),
    ],
  ];
  if (hub !== '') {
    const { hubFindings } = await import('../doctor/remote.ts');
    checks.push(['hub', () => hubFindings(context, hub)]);
  }
  if (config.effective('coreRedis').origin !== 'default') {
    const { redisFindings } = await import('../doctor/remote.ts');
    checks.push(['redis', () => redisFindings(context, config.get('coreRedis'))]);
  }
  return checks;
}

async function probed(folder: string, isRoot: boolean): Promise<readonly Finding[]> {
  const { addon } = await import('../../native/load.ts');
  const { fail } = await import('../doctor/finding.ts');
  const { probeFindings } = await import('../doctor/probe.ts');
  let binding: ReturnType<typeof addon>;
  try {
    binding = addon();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [fail('addon', text, 'npm run build:native, or install the package for this machine')];
  }
  return await probeFindings(binding, folder, isRoot);
}

function textOf(findings: readonly Finding[], color: boolean): string {
  const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  const lines = findings.map(({ topic, state, text, hint }) => {
    const head = `${paintState(state, styles[state], color)}  ${topic.padEnd(13)}${text}`;
    return hint === undefined ? head : `${head}: ${hint}`;
  });
  return lines.map((line) => `${line}\n`).join('');
}

function paintState(
  state: Finding['state'],
  style: 'green' | 'yellow' | 'red',
  color: boolean,
): string {
  return paint(style, state.padEnd(4), color);
}
