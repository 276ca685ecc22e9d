/**
 * Listens to what the kernel says of the disk under a folder. A read that fails below a file which the kernel
 * reads by itself (passthrough, overlayfs) is told to its reader and to the kernel's log, and to nobody else; nor is a
 * write that fails behind everybody's back, until somebody syncs that file.
 *
 * Best effort: the log may be closed to this process (`dmesg_restrict`), or the disk have no name here.
 */
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename } from 'node:path';
import type { SystemBinding } from '../native/addon.ts';
import { readMountinfo } from './mountinfo.ts';

const KERNEL_LOG = '/dev/kmsg';
/** Between two looks. One costs a system call. */
const INTERVAL_MS = 1_000;
/** Records of one look: a failing disk writes hundreds a second, and the first say it all. */
const RECORDS_MAX = 2_000;
/** The kernel gives one record for each read, never longer. */
const RECORD_BYTES_MAX = 8192;

export type DiskError = 'read' | 'write';

/** What a line of the kernel says of one of these block devices; undefined: nothing, or nothing bad. */
export function diskErrorOf(line: string, devices: ReadonlySet<string>): DiskError | undefined {
  if (!/error|lost|abort|fail|corrupt/i.test(line)) return undefined;
  const isOurs = [...devices].some((device) =>
    new RegExp(`(?:^|[^A-Za-z0-9_-])${device.replace(/[^\w]/g, '\\$&')}(?![A-Za-z0-9_])`).test(
      line,
    ),
  );
  if (!isOurs) return undefined;
  return /write|journal|unwritten|writing/i.test(line) ? 'write' : 'read';
}

/** Names of the block devices that a folder lies on, as the kernel's log has them; none for tmpfs and the like. */
export function devicesOf(dir: string): Set<string> {
  const devices = new Set<string>();
  try {
    const { dev } = statSync(dir);
    // As gnu_dev_major(3) and gnu_dev_minor(3) have it, as far as devices go here.
    let number = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
    if (number.startsWith('0:')) {
      // Btrfs has a number of its own, and a source in the list of mounts.
      const source = readMountinfo().find((entry) => entry.device === number)?.source ?? '';
      if (!source.startsWith('/dev/')) return devices;
      const { rdev } = statSync(source);
      number = `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
    }
    addDevice(devices, `/sys/dev/block/${number}`);
  } catch {
    // No name, no news.
  }
  return devices;
}

/** The device itself, what it consists of (device mapper, RAID), and the disk that it is a part of. */
function addDevice(devices: Set<string>, path: string): void {
  const name = /^DEVNAME=(.+)$/m.exec(readFileSync(`${path}/uevent`, 'utf8'))?.[1];
  if (name === undefined || devices.has(name)) return;
  devices.add(name);
  const isPartition = /^DEVTYPE=partition$/m.test(readFileSync(`${path}/uevent`, 'utf8'));
  if (isPartition) devices.add(basename(name).replace(/p?\d+$/, ''));
  let slaves: string[] = [];
  try {
    slaves = readdirSync(`${path}/slaves`);
  } catch {
    // Only disks have the folder.
  }
  for (const slave of slaves) addDevice(devices, `/sys/class/block/${slave}`);
}

export class KernelLog {
  readonly #devices: ReadonlySet<string>;
  readonly #onError: (error: DiskError) => void;
  readonly #buffer = Buffer.alloc(RECORD_BYTES_MAX);
  #fd: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param dir folder whose disk is listened for
   * @param system has `seekEnd`: to read past all that was said before takes 10 ms, while readers may wait
   * @param onError called once for each kind of error and look
   */
  constructor(dir: string, system: SystemBinding, onError: (error: DiskError) => void) {
    this.#onError = onError;
    this.#devices = devicesOf(dir);
    if (this.#devices.size === 0) return;
    try {
      this.#fd = openSync(KERNEL_LOG, constants.O_RDONLY | constants.O_NONBLOCK);
      // An old error may long be mended.
      system.seekEnd(this.#fd);
    } catch {
      this.close();
      return;
    }
    this.#timer = setInterval(() => this.look(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Whether there is anything to listen to. */
  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  /** Reads what came since the last look. */
  look(): void {
    const errors = new Set<DiskError>();
    for (let count = 0; count < RECORDS_MAX; count++) {
      const line = this.#next();
      if (line === undefined) break;
      const error = diskErrorOf(line, this.#devices);
      if (error !== undefined) errors.add(error);
    }
    for (const error of errors) this.#onError(error);
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** The next record, undefined when there is none. */
  #next(): string | undefined {
    if (this.#fd === undefined) return undefined;
    try {
      const size = readSync(this.#fd, this.#buffer, 0, RECORD_BYTES_MAX, null);
      return this.#buffer.toString('latin1', 0, size);
    } catch (error) {
      // Overtaken by the writers: go on with what is there now.
      return (error as NodeJS.ErrnoException).code === 'EPIPE' ? '' : undefined;
    }
  }
}
