/** `g8ufs daemon`: the mount daemon of one cache; `mount` starts it by itself. */
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly cache?: string;
  readonly cacheSize?: string;
  readonly cacheFree?: string;
  readonly metrics?: string;
  readonly slowRead?: string;
}

export function command(context: Context): Command {
  const daemon = new Command('daemon')
    .description('run the mount daemon of a cache for as long as it has mounts')
    .option('--cache <dir>', 'folder of the content cache')
    .option('--cache-size <size>', 'size the cache may have')
    .option('--cache-free <size>', 'space to leave free on its file system')
    .option('--metrics <host:port>', 'loopback address to serve metrics at (default: nowhere)')
    .option('--slow-read <time>', 'log what a read waits for after this time (default: 5s)')
    .action((flags: Flags) => run(context, flags));
  daemon.addCommand(upgradeCommand(context).copyInheritedSettings(daemon));
  return addHelpSections(daemon, {
    examples: [
      ['daemon --cache /var/cache/g8ufs', 'for a service manager; logs to stderr'],
      ['daemon --metrics 127.0.0.1:9469', 'metrics at http://127.0.0.1:9469/metrics'],
    ],
    settings: [
      'cacheDir',
      'cacheSize',
      'cacheFree',
      'cacheScrub',
      'cacheQuotas',
      'slowRead',
      'linger',
      'standby',
      'metricsListen',
      'policy',
    ],
    failures: ['ERR_CACHE_LOCKED', 'ERR_PERMISSION', 'ERR_IO', 'ERR_CONFIG'],
  });
}

function upgradeCommand(context: Context): Command {
  const upgrade = new Command('upgrade')
    .description('replace the mount daemon of a cache by one of this version; its mounts live on')
    .option('--cache <dir>', 'folder of the content cache')
    .action((_flags: Flags, command: Command) => upgradeDaemon(context, command.optsWithGlobals()));
  return addHelpSections(upgrade, {
    examples: [['daemon upgrade', 'after a new version was installed']],
    settings: ['cacheDir'],
    failures: ['ERR_NO_INPUT', 'ERR_MOUNT', 'ERR_TIMEOUT'],
  });
}

async function upgradeDaemon(context: Context, flags: Flags): Promise<void> {
  const { G8Error } = await import('../../base/errors.ts');
  const { loadConfig } = await import('../../config/config.ts');
  const { registryDir } = await import('../../base/paths.ts');
  const { connectDaemon, replaceDaemon } = await import('../../fs/client.ts');
  const { daemonCommand } = await import('../early-daemon.ts');
  const config = await loadConfig(context.env, { cacheDir: flags.cache });
  const cacheDir = config.get('cacheDir');
  const client = await connectDaemon(cacheDir, registryDir(context.env));
  if (client === undefined)
    throw new G8Error('ERR_NO_INPUT', `No daemon has the cache ${cacheDir}`);
  interface About {
    readonly pid: number;
    readonly version: string;
    readonly flags: readonly string[];
  }
  const before = await client.request<About>('about', {}).finally(() => client.close());
  const pid = await replaceDaemon(daemonCommand(cacheDir, before.flags));
  const { packageVersion } = await import('../version.ts');
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { pid, version: packageVersion(), before });
  } else if (!context.quiet) {
    context.stdout.write(
      `Daemon ${before.pid} is replaced by ${pid}, version ${packageVersion()}\n`,
    );
  }
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { confineProcess } = await import('../confine-process.ts');
  await confineProcess(context);
  const { startDaemon } = await import('../daemon-process.ts');
  const life = { stayForMs: START_GRACE_MS, lingers: true };
  const { ended } = await startDaemon(context, flags, life);
  await ended;
}

/** A daemon that nobody asks for a mount within this time has nothing to do. */
const START_GRACE_MS = 30_000;
