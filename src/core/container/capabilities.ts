/**
 * Which capabilities a container gets: a short list, or all that this process may give away. Asking a runtime
 * for one that is not in the own bounding set fails, so every set is cut to it. Pure.
 */

/** By number, as in linux/capability.h. */
const NAMES: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

/** What programs of an ordinary container keep: they may be root inside, and not more than that. */
const UNPRIVILEGED: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETUID',
  'SYS_CHROOT',
]);

/**
 * @param status text of /proc/self/status, whose bounding set is the limit
 * @returns names as OCI spells them, such as `CAP_CHOWN`, in the kernel's order; a status without a bounding
 *   set gives none
 */
export function containerCapabilities(status: string, privileged: boolean): string[] {
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1] ?? '0'}`);
  return NAMES.filter(
    (name, number) =>
      (bounding & (1n << BigInt(number))) !== 0n && (privileged || UNPRIVILEGED.has(name)),
  ).map((name) => `CAP_${name}`);
}
