/** Memory of a process in bytes, as /proc/PID/status tells it. Pure. */
export interface ProcessMemory {
  readonly rss: number;
  readonly vms: number;
  readonly swap: number;
}

/** A kernel thread has none. */
export function statusMemory(status: string): ProcessMemory {
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { rss: bytes('VmRSS'), vms: bytes('VmSize'), swap: bytes('VmSwap') };
}
