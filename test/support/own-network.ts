/**
 * Importing this puts the test file into a network namespace of its own, with nothing but a loopback interface:
 * the file is run once more inside, and what it reports comes out of the first process. Whatever a test makes
 * there is gone when the file ends, and the host's network is never touched. Needs root.
 */
import { spawnSync } from 'node:child_process';

const INSIDE = 'G8UFS_OWN_NETWORK';
// With the last process of the file all others end, too.
const NAMESPACES = ['--net', '--mount', '--propagation', 'private'];
NAMESPACES.push('--pid', '--fork', '--mount-proc', '--kill-child');
// Names of namespaces are files: their folder is hidden as well.
const SETUP = `mkdir -p /run/netns && mount -t tmpfs netns /run/netns && ip link set lo up && exec "$@"`;

if (process.env[INSIDE] === undefined && process.getuid?.() === 0) {
  const inside = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync(
    'unshare',
    [...NAMESPACES, '--', 'sh', '-ec', SETUP, 'sh', ...inside],
    { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } },
  );
  process.exit(status ?? 1);
}

/** For the option `skip` of a test: why it cannot run here, or `false`. */
export const NO_OWN_NETWORK: string | false =
  process.env[INSIDE] === undefined ? 'needs root' : false;
