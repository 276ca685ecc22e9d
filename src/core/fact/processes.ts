/** Processes, as their folders of /proc tell them. Pure. */
import { type ProcessMemory, statusMemory } from './status-memory.ts';

export interface ProcessFacts extends ProcessMemory {
  readonly pid: number;
  readonly ppid: number;
  /** Arguments joined by blanks. */
  readonly cmdline: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createtime: number;
  /** Seconds; most of them exist for whole machines only. */
  readonly cpu: Readonly<Record<CpuTime, number>>;
  readonly rlimit: readonly ResourceLimit[];
  /** Open descriptors. */
  readonly ofd: number;
}

interface ResourceLimit {
  /** RLIMIT_* of getrlimit(2). */
  readonly resource: number;
  readonly soft: number;
  readonly hard: number;
}

type CpuTime =
  | 'guestnice'
  | 'idle'
  | 'iowait'
  | 'irq'
  | 'nice'
  | 'softirq'
  | 'steal'
  | 'stolen'
  | 'system'
  | 'user';

/** Texts of the files of one process. */
export interface ProcessFiles {
  readonly stat: string;
  readonly status: string;
  readonly cmdline: string;
  readonly limits: string;
  readonly openFiles: number;
}

const TICKS_PER_SECOND = 100;
/** What /proc/PID/limits calls them, in the order of their numbers. */
const LIMITS = [
  'cpu time',
  'file size',
  'data size',
  'stack size',
  'core file size',
  'resident set',
  'processes',
  'open files',
  'locked memory',
  'address space',
  'file locks',
  'pending signals',
  'msgqueue size',
  'nice priority',
  'realtime priority',
  'realtime timeout',
];
/** No limit, as other programs of this protocol print it: the largest 32-bit number. */
const UNLIMITED = 0x7fff_ffff;

/** @param bootTime seconds since 1970 */
export function processFacts(files: ProcessFiles, bootTime: number): ProcessFacts {
  const { stat, status, cmdline, limits, openFiles } = files;
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  // Behind the name, which may hold anything: state, parent, …
  const fields = stat.slice(close + 2).split(' ');
  const seconds = (index: number): number => Number(fields[index] ?? 0) / TICKS_PER_SECOND;
  return {
    pid: Number(stat.slice(0, open - 1)),
    ppid: Number(fields[1]),
    cmdline: cmdline.replace(/\0+$/, '').replaceAll('\0', ' '),
    name: stat.slice(open + 1, close),
    createtime: Math.round((bootTime + seconds(19)) * 1000),
    cpu: {
      guestnice: 0,
      idle: 0,
      iowait: 0,
      irq: 0,
      nice: 0,
      softirq: 0,
      steal: 0,
      stolen: 0,
      system: seconds(12),
      user: seconds(11),
    },
    ...statusMemory(status),
    rlimit: parseLimits(limits),
    ofd: openFiles,
  };
}

function parseLimits(source: string): ResourceLimit[] {
  return LIMITS.flatMap((name, resource) => {
    const line = new RegExp(`^Max ${name}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(source);
    if (line === null) return [];
    const [soft, hard] = [line[1], line[2]].map((value) =>
      value === 'unlimited' ? UNLIMITED : Number(value),
    ) as [number, number];
    return [{ resource, soft, hard }];
  });
}
