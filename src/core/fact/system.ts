/** What runs here: kernel, distribution, machine. Pure but for the text of files. */

export interface SystemFacts {
  readonly hostname: string;
  /** Seconds. */
  readonly uptime: number;
  /** Seconds since 1970. */
  readonly bootTime: number;
  /** Processes. */
  readonly procs: number;
  readonly os: 'linux';
  readonly platform: string;
  readonly platformFamily: string;
  readonly platformVersion: string;
  readonly kernelVersion: string;
  readonly virtualizationSystem: string;
  /** `guest`, `host` or nothing. */
  readonly virtualizationRole: string;
  readonly hostid: string;
}

/** Files to look at, by what they are good for. */
export const SYSTEM_FILES = {
  hostname: '/proc/sys/kernel/hostname',
  kernel: '/proc/sys/kernel/osrelease',
  uptime: '/proc/uptime',
  stat: '/proc/stat',
  release: '/etc/os-release',
  vendor: '/sys/class/dmi/id/sys_vendor',
  cpuinfo: '/proc/cpuinfo',
  machine: '/sys/class/dmi/id/product_uuid',
  boot: '/proc/sys/kernel/random/boot_id',
} as const;

/** Makers of machines that are none. */
const HYPERVISORS: readonly [vendor: RegExp, system: string][] = [
  [/QEMU|KVM|Google|Amazon EC2/, 'kvm'],
  [/VMware/, 'vmware'],
  [/Xen/, 'xen'],
  [/innotek|VirtualBox/, 'vbox'],
  [/Microsoft/, 'hyperv'],
];

/**
 * @param files texts of {@link SYSTEM_FILES}; what cannot be read is missing
 * @param processCount processes that the place sees
 */
export function systemFacts(
  files: Readonly<Partial<Record<keyof typeof SYSTEM_FILES, string>>>,
  processCount: number,
): SystemFacts {
  const release = (name: string): string =>
    new RegExp(`^${name}="?(.*?)"?$`, 'm').exec(files.release ?? '')?.[1] ?? '';
  const line = (name: keyof typeof SYSTEM_FILES): string => (files[name] ?? '').trim();
  const isGuest = /^flags.*\bhypervisor\b/m.test(files.cpuinfo ?? '');
  const vendor = files.vendor ?? '';
  const system = HYPERVISORS.find(([pattern]) => pattern.test(vendor))?.[1] ?? '';
  return {
    hostname: line('hostname'),
    uptime: Math.floor(Number.parseFloat(files.uptime ?? '0') || 0),
    bootTime: Number(/^btime (\d+)$/m.exec(files.stat ?? '')?.[1] ?? 0),
    procs: processCount,
    os: 'linux',
    platform: release('ID'),
    platformFamily: release('ID_LIKE').split(' ')[0] || release('ID'),
    platformVersion: release('VERSION_ID'),
    kernelVersion: line('kernel'),
    virtualizationSystem: isGuest ? system : '',
    virtualizationRole: isGuest ? 'guest' : '',
    hostid: (line('machine') || line('boot')).toLowerCase(),
  };
}
