/**
 * The OCI configuration of a container: what an OCI runtime such as runc is told to make. Pure: every fact of
 * the host comes as an argument, and every path of the host in it is chosen by the caller.
 */
import { containerCapabilities } from './capabilities.ts';
import { defaultSeccomp, type SeccompProfile } from './seccomp.ts';

/** Folder of a container in which what we bring along appears. */
export const OWN_FOLDER = '/.g8ufs';
/** Where the init program is inside. */
export const INIT_PATH = `${OWN_FOLDER}/init`;

const DEFAULT_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/',
};

/** Files of /proc and /sys that tell, or let change, what concerns the whole machine. */
const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
const READ_ONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Terminals of a container have these; the group is `tty` in every Debian and Alpine. */
const TTY_GROUP = 5;
const DEV_SIZE = '64k';
const SHM_SIZE = '64m';
/** A share of processor time is measured in this many microseconds. */
const CPU_PERIOD_US = 100_000;

/** A file or folder of the host that is seen inside. */
export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
}

/** Whom a process in a container runs as, by the container's own numbers. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
  /** Home folder, unless the environment says another. */
  readonly home?: string;
}

/** Bounds for all processes of a container together; absent or 0: none. */
export interface ContainerLimits {
  readonly memoryBytes?: number;
  readonly pidsCount?: number;
  /** Processors, such as 0.5. */
  readonly cpuCount?: number;
}

export interface OciOptions {
  readonly id: number;
  readonly rootfs: string;
  /** Empty: `core-<id>`. */
  readonly hostname: string;
  readonly privileged: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** Default root. */
  readonly user?: ContainerUser;
  /** What the first process runs; absent: nothing, the container then lives until it is terminated. */
  readonly command?: readonly string[];
  readonly cwd?: string;
  readonly terminal?: boolean;
  /** A network namespace by its path, the host's, or a new one with nothing but loopback. */
  readonly network: { readonly path: string } | 'host' | 'none';
  readonly cgroupPath: string;
  readonly limits: ContainerLimits;
  readonly binds: readonly Bind[];
  /** Static program of the host that reaps orphans. */
  readonly initProgram: string;
  /** Text of /proc/self/status. */
  readonly status: string;
  readonly arch: string;
}

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

interface DeviceRule {
  readonly allow: boolean;
  readonly access: string;
  readonly type?: 'c' | 'b' | 'a';
  readonly major?: number;
  readonly minor?: number;
}

/** As much of an OCI configuration as we use. */
export interface OciConfig {
  readonly ociVersion: string;
  readonly hostname: string;
  readonly process: {
    readonly terminal: boolean;
    readonly user: Omit<ContainerUser, 'home'>;
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly noNewPrivileges: boolean;
    readonly capabilities: Readonly<Record<string, readonly string[]>>;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly cgroupsPath: string;
    readonly resources: Readonly<Record<string, unknown>>;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly seccomp?: SeccompProfile;
  };
}

export function ociConfig(options: OciOptions): OciConfig {
  const { privileged, command, id } = options;
  const capabilities = containerCapabilities(options.status, privileged);
  const { home, ...user } = options.user ?? { uid: 0, gid: 0 };
  return {
    ociVersion: '1.0.2',
    hostname: options.hostname || `core-${id}`,
    process: {
      terminal: options.terminal ?? false,
      user,
      // No rlimits: those of this process go on, and asking for more than its hard limits fails.
      args: command === undefined ? [INIT_PATH, '-P'] : [INIT_PATH, '--', ...command],
      env: containerEnvironment({ ...(home !== undefined && { HOME: home }), ...options.env }),
      cwd: options.cwd ?? '/',
      noNewPrivileges: !privileged,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    root: { path: options.rootfs, readonly: false },
    mounts: [
      ...(privileged ? PRIVILEGED_MOUNTS : UNPRIVILEGED_MOUNTS),
      ...COMMON_MOUNTS,
      ...options.binds.map(bindMount),
      bindMount({ source: options.initProgram, target: INIT_PATH, isReadOnly: true }),
    ],
    linux: {
      namespaces: [
        ...['pid', 'mount', 'uts', 'ipc', 'cgroup'].map((type) => ({ type })),
        ...networkNamespace(options.network),
      ],
      cgroupsPath: options.cgroupPath,
      resources: resources(options.limits, privileged),
      maskedPaths: privileged ? [] : MASKED_PATHS,
      readonlyPaths: privileged ? [] : READ_ONLY_PATHS,
      ...(privileged ? {} : { seccomp: defaultSeccomp(options.arch) }),
    },
  };
}

/** What everything in a container has in its environment, over the defaults; as `NAME=value`. */
export function containerEnvironment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries({ ...DEFAULT_ENVIRONMENT, ...env }).map(
    ([name, value]) => `${name}=${value}`,
  );
}

function networkNamespace(network: OciOptions['network']): { type: string; path?: string }[] {
  if (network === 'host') return [];
  if (network === 'none') return [{ type: 'network' }];
  return [{ type: 'network', path: network.path }];
}

function bindMount({ source, target, isReadOnly }: Bind): OciMount {
  const options = ['rbind', 'rprivate', isReadOnly ? 'ro' : 'rw', 'nosuid', 'nodev'];
  return { destination: target, type: 'bind', source, options };
}

const NO_PROGRAMS = ['nosuid', 'noexec', 'nodev'];

function dev(type: string, source: string, options: readonly string[]): OciMount {
  return { destination: '/dev', type, source, options };
}

function sys(access: 'ro' | 'rw'): OciMount[] {
  const options = [...NO_PROGRAMS, access];
  return [
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options },
  ];
}

const UNPRIVILEGED_MOUNTS = [
  dev('tmpfs', 'tmpfs', ['nosuid', 'noexec', 'strictatime', 'mode=755', `size=${DEV_SIZE}`]),
  ...sys('ro'),
];

const PRIVILEGED_MOUNTS = [
  // The host's own devices, also those that come later.
  dev('bind', '/dev', ['bind', 'rw', 'rprivate', 'nosuid']),
  ...sys('rw'),
];

const COMMON_MOUNTS: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: NO_PROGRAMS },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', `gid=${TTY_GROUP}`],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: NO_PROGRAMS },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: [...NO_PROGRAMS, 'mode=1777', `size=${SHM_SIZE}`],
  },
];

/** Null, zero, full, random, urandom, tty, console, ptmx, terminals, tun; and making nodes, which alone opens nothing. */
const DEVICE_RULES: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  ...[3, 5, 7, 8, 9].map((minor) => character(1, minor)),
  ...[0, 1, 2].map((minor) => character(5, minor)),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
  character(10, 200),
];

function character(major: number, minor: number): DeviceRule {
  return { allow: true, type: 'c', major, minor, access: 'rwm' };
}

function resources(limits: ContainerLimits, privileged: boolean): Record<string, unknown> {
  const { memoryBytes, pidsCount, cpuCount } = limits;
  return {
    devices: privileged ? [{ allow: true, access: 'rwm' }] : DEVICE_RULES,
    ...(memoryBytes && { memory: { limit: memoryBytes } }),
    ...(pidsCount && { pids: { limit: pidsCount } }),
    ...(cpuCount && {
      cpu: { quota: Math.round(cpuCount * CPU_PERIOD_US), period: CPU_PERIOD_US },
    }),
  };
}
