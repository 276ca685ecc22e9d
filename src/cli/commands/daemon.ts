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
      'slowRead',
      'linger',
      'metricsListen',
      'policy',
    ],
    failures: ['ERR_CACHE_LOCKED', 'ERR_PERMISSION', 'ERR_IO', 'ERR_CONFIG'],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { startDaemon } = await import('../daemon-process.ts');
  const life = { stayForMs: START_GRACE_MS, lingers: true };
  const { ended } = await startDaemon(context, flags, life);
  await ended;
}

/** A daemon that nobody asks for a mount within this time has nothing to do. */
const START_GRACE_MS = 30_000;
