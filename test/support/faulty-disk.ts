/**
 * A disk that fails when it is told to: a loop device on `faulty-disk.cc`, with a file system made and mounted on it.
 * Needs root, `/dev/fuse`, loop devices, g++ and the programs that make file systems. One owner; close it.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

const SOURCE = join(process.cwd(), 'test/support/faulty-disk.cc');
const PROGRAM = join(process.cwd(), 'build/bench/faulty-disk');
/** Far longer than anything takes that is answered at all. */
const WAIT_MS = 20_000;

export type FileSystem = 'ext4' | 'xfs' | 'btrfs';

interface DiskCounts {
  readonly reads: number;
  readonly writes: number;
  readonly flushes: number;
  readonly failedReads: number;
  readonly failedWrites: number;
}

const MAKERS: Readonly<Record<FileSystem, readonly [program: string, ...args: string[]]>> = {
  // Lazy initialization would write behind everybody's back.
  ext4: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['mkfs.xfs', '-q', '-f'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
};

/** Makes a file system on a file or device. */
function makeFileSystem(kind: FileSystem, device: string): void {
  const [program, ...args] = MAKERS[kind];
  run(program, [...args, device]);
}

/** A loop device on a file. */
export function attachLoop(file: string): string {
  return run('losetup', ['-f', '--show', file]).trim();
}

export function detachLoop(device: string): void {
  run('losetup', ['-d', device]);
}

export function mountDevice(device: string, dir: string, options = 'noatime'): void {
  run('mount', ['-o', options, device, dir]);
}

/** Takes a mount away; what is busy is detached. */
export function unmountDir(dir: string): void {
  try {
    run('umount', [dir]);
  } catch {
    run('umount', ['-l', dir]);
  }
}

/** A file of zeros that takes no room. */
function makeSparse(path: string, bytes: number): void {
  writeFileSync(path, '');
  truncateSync(path, bytes);
}

function run(program: string, args: readonly string[]): string {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  // What it complains of is in the error, for whoever minds.
  return execFileSync(program, [...args], {
    encoding: 'utf8',
    env,
    timeout: WAIT_MS,
    stdio: 'pipe',
  });
}

function build(): void {
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs > statSync(SOURCE).mtimeMs) return;
  mkdirSync(dirname(PROGRAM), { recursive: true });
  run('g++', ['-std=c++20', '-O1', '-Wall', '-Wextra', '-o', PROGRAM, SOURCE]);
}

export class FaultyDisk {
  /** Where its file system is mounted. */
  readonly dir: string;
  readonly device: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<unknown>;
  readonly #place: string;
  readonly #answers: ((line: string) => void)[] = [];
  #isMounted = false;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>, place: string) {
    this.#child = child;
    this.#place = place;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    // It may have ended when it is told to.
    child.stdin.on('error', () => {});
    this.dir = join(place, 'fs');
    createInterface({ input: child.stdout }).on('line', (line) => this.#answers.shift()?.(line));
    this.device = attachLoop(join(place, 'disk', 'disk'));
  }

  /**
   * Makes a disk with a file system, mounted.
   *
   * @param folder an empty folder for its files
   * @param options.log where to record what is written, from the first mount on
   * @param options.keep where to put a copy of the disk as it is before that
   */
  static async make(
    folder: string,
    bytes: number,
    options: { kind?: FileSystem; log?: string; keep?: string } = {},
  ): Promise<FaultyDisk> {
    build();
    for (const name of ['disk', 'fs']) mkdirSync(join(folder, name), { recursive: true });
    const image = join(folder, 'image');
    makeSparse(image, bytes);
    // Made without the disk in between, and not in its log: that begins with the first mount.
    makeFileSystem(options.kind ?? 'ext4', image);
    if (options.keep !== undefined) run('cp', ['--sparse=always', image, options.keep]);
    const args = [join(folder, 'disk'), image, ...(options.log === undefined ? [] : [options.log])];
    const child = spawn(PROGRAM, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let disk: FaultyDisk | undefined;
    try {
      await until(() => existsSync(join(folder, 'disk', 'disk')));
      disk = new FaultyDisk(child, folder);
      mountDevice(disk.device, disk.dir);
      disk.#isMounted = true;
      return disk;
    } catch (error) {
      if (disk === undefined) child.stdin.end();
      else await disk.close();
      throw error;
    }
  }

  /** Every n-th read fails; 0: none does. What the page cache has is not read again. */
  async failReads(everyNth: number): Promise<DiskCounts> {
    return await this.#command(`read ${everyNth}`);
  }

  /** Every n-th write fails; 0: none does. */
  async failWrites(everyNth: number): Promise<DiskCounts> {
    return await this.#command(`write ${everyNth}`);
  }

  /** Nothing is answered any more, without an error; false: what was asked is, and all goes on. */
  async hang(hangs: boolean): Promise<DiskCounts> {
    return await this.#command(`hang ${hangs ? 1 : 0}`);
  }

  /** What it has been asked. The log has everything until now. */
  async counts(): Promise<DiskCounts> {
    return await this.#command('count');
  }

  unmount(): void {
    if (!this.#isMounted) return;
    this.#isMounted = false;
    unmountDir(this.dir);
  }

  /** Heals it and takes it away. */
  async close(): Promise<void> {
    try {
      await this.hang(false);
      await this.failReads(0);
      await this.failWrites(0);
    } catch {
      // It has ended already.
    }
    this.unmount();
    await until(() => isDetached(this.device));
    this.#child.stdin.end();
    await this.#ended;
    if (existsSync(join(this.#place, 'disk', 'disk'))) unmountDir(join(this.#place, 'disk'));
  }

  #command(line: string): Promise<DiskCounts> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`faulty-disk: no answer to ${line}`)),
        WAIT_MS,
      );
      this.#answers.push((answer) => {
        clearTimeout(timer);
        const [reads = 0, writes = 0, flushes = 0, failedReads = 0, failedWrites = 0] = answer
          .split(' ')
          .slice(1)
          .map(Number);
        resolve({ reads, writes, flushes, failedReads, failedWrites });
      });
      this.#child.stdin.write(`${line}\n`);
    });
  }
}

/** The device lets go when its file system does, which a dying daemon may hold for a moment. */
function isDetached(device: string): boolean {
  try {
    detachLoop(device);
    return true;
  } catch {
    return !existsSync(`/sys/block/${device.slice('/dev/'.length)}/loop`);
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error('faulty-disk: the wait was in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
