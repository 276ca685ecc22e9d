/**
 * What a mount daemon of root may do at most. It starts with what it needs and nothing else, and neither it nor
 * what it starts gains anything by running other programs: a bug in it is no way to the network's settings, kernel
 * modules, other processes or raw devices.
 *
 * Capabilities belong to threads, and Node has several when the first line of JavaScript runs. So it is util-linux's
 * `setpriv` that sets them, before Node starts, in the same process.
 */
import { existsSync, readFileSync } from 'node:fs';

const SETPRIV = '/usr/bin/setpriv';
/** What dropping others from the bounding set takes. */
const CAP_SETPCAP = 1n << 8n;

/** Capabilities that stay, and what for. */
export const KEPT = {
  /** Mounts, passthrough, and `trusted.overlay.*` of writable mounts. */
  sys_admin: 21,
  /** Caches, mount points and upper folders belong to anybody. */
  dac_override: 1,
  dac_read_search: 2,
  /** overlayfs copies files up with the rights of whoever has mounted it: owners, modes, devices, file capabilities. */
  chown: 0,
  fowner: 3,
  fsetid: 4,
  mknod: 27,
  setfcap: 31,
  /** Space that a file system reserves, more open files. */
  sys_resource: 24,
  /** What the kernel says of the cache's disk, where its log is closed to others (`dmesg_restrict`). */
  syslog: 34,
  /** A port below 1024 for metrics. */
  net_bind_service: 10,
} as const;

/** The command line that starts a daemon, confined where that can be done: as root, with util-linux. */
export function confined(
  program: string,
  args: readonly string[],
  uid: number = process.getuid?.() ?? 0,
): [program: string, args: string[]] {
  // The mounts of others are made by fusermount3, which is setuid: that has to work.
  if (uid !== 0 || !existsSync(SETPRIV) || !mayDrop()) return [program, [...args]];
  const kept = Object.keys(KEPT).map((name) => `+${name}`);
  const flags = ['--no-new-privs', `--bounding-set=-all,${kept.join(',')}`, '--inh-caps=-all'];
  return [SETPRIV, [...flags, '--', program, ...args]];
}

/** In a container that is confined itself there may be nothing to drop with. */
function mayDrop(): boolean {
  const mask = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) & CAP_SETPCAP) !== 0n;
}
