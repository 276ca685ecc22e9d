/**
 * A small world for mount tests: a hub, a cache and mounts of one test, all below one folder. Whatever the
 * test does or fails to do, its end unmounts, stops and removes everything.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { readMountinfo } from '../../src/fs/mountinfo.ts';
import { keeperSocket } from '../../src/fs/takeover/early-sessions.ts';
import { type CliResult, runChild, runCli, startCli } from './run-cli.ts';

const execute = promisify(execFile);
/** No child of a test may outlive this. */
const CHILD_TIMEOUT_MS = 240_000;
/** Far longer than a daemon takes to follow another one. */
const SUCCESSOR_TIMEOUT_MS = 30_000;

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MountWorldOptions {
  readonly cache?: string;
  /** Further variables for its commands and daemons. */
  readonly env?: Readonly<Record<string, string>>;
}

export class MountWorld {
  readonly dir: string;
  readonly cache: string;
  readonly hubData: string;
  /** File with the logins of the world's commands and mounts. */
  readonly credentials: string;
  hubUrl = '';
  readonly #more: Readonly<Record<string, string>>;
  readonly #children: ChildProcess[] = [];
  #hub: ChildProcess | undefined;
  #mountCount = 0;

  /** Below /var/tmp: a cache on overlayfs or tmpfs would not show what users see. */
  constructor(context: TestContext, options: MountWorldOptions = {}) {
    this.#more = options.env ?? {};
    this.dir = mkdtempSync('/var/tmp/g8ufs-test-');
    this.cache = options.cache ?? join(this.dir, 'cache');
    this.hubData = join(this.dir, 'hub');
    this.credentials = join(this.dir, 'credentials.json');
    context.after(() => this.#end());
  }

  /** A path below the world's folder. */
  path(...names: string[]): string {
    return join(this.dir, ...names);
  }

  /** A new empty folder. */
  folder(...names: string[]): string {
    const path = this.path(...names);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Runs a g8ufs command to its end, whatever that is. */
  async cli(...args: string[]): Promise<CliResult> {
    // These start a daemon, or find one that another is starting: with processes as users have them.
    const run = args[0] === 'mount' || args[0] === 'daemon' ? runChild : runCli;
    return await run(args, this.#env());
  }

  /** Runs a g8ufs command that has to succeed; its JSON answer. */
  async json<T>(...args: string[]): Promise<T> {
    const result = await this.cli(...args, '--json');
    if (result.code !== 0) {
      throw new Error(`g8ufs ${args.join(' ')} ended with ${result.code}: ${result.stderr}`);
    }
    return (result.stdout === '' ? undefined : JSON.parse(result.stdout)) as T;
  }

  /** Starts a g8ufs command that stays; the world ends it. */
  start(...args: string[]): ChildProcess {
    const child = startCli(args, this.#env());
    this.#children.push(child);
    return child;
  }

  async startHub(port = 0): Promise<string> {
    const listen = `127.0.0.1:${port}`;
    const hub = this.start('hub', 'serve', '--data', this.hubData, '--listen', listen, '--json');
    this.#hub = hub;
    let text = '';
    this.hubUrl = await new Promise<string>((resolve, reject) => {
      hub.stdout?.on('data', (data: Buffer) => {
        text += data.toString();
        const url = /"url":\s*"([^"]+)"/.exec(text)?.[1];
        if (url !== undefined) resolve(url);
      });
      hub.once('exit', (code) => reject(new Error(`The hub ended with ${code}`)));
    });
    return this.hubUrl;
  }

  /** The hub answers nobody, and those that ask wait. */
  pauseHub(): void {
    this.#hub?.kill('SIGSTOP');
  }

  resumeHub(): void {
    this.#hub?.kill('SIGCONT');
  }

  async stopHub(): Promise<void> {
    await endChild(this.#hub, 'SIGTERM');
    this.#hub = undefined;
  }

  /** Makes a flist of a folder with its chunks on the hub. */
  async create(source: string, name = 'image'): Promise<string> {
    const flist = this.path(`${name}.flist`);
    await this.json('flist', 'create', source, flist, '--store', this.hubUrl);
    return flist;
  }

  /** Mounts and gives the mount point. */
  async mount(flist: string, ...options: string[]): Promise<string> {
    const mnt = this.folder(`mnt-${++this.#mountCount}`);
    await this.json('mount', flist, mnt, '--cache', this.cache, ...options);
    return mnt;
  }

  async unmount(mnt: string, ...options: string[]): Promise<void> {
    await this.json('umount', mnt, ...options);
  }

  /** Process id of the mount daemon of this world's cache. */
  daemonPid(): number {
    return Number(readFileSync(join(this.cache, 'lock'), 'utf8'));
  }

  /** Process id of the daemon, which may be the successor of one that was just killed. */
  async daemonUp(): Promise<number> {
    const deadline = performance.now() + SUCCESSOR_TIMEOUT_MS;
    for (;;) {
      const pid = this.#daemonAlive();
      if (pid !== undefined) return pid;
      if (performance.now() > deadline) throw new Error('No daemon comes');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** SIGKILL to the daemon; resolves when it is gone. Its keeper starts a successor. */
  async killDaemon(): Promise<void> {
    const pid = await this.daemonUp();
    process.kill(pid, 'SIGKILL');
    await processGone(pid);
  }

  /** SIGKILL to the daemon and its keeper: the mounts are dead. */
  async killKeeperAndDaemon(): Promise<void> {
    // Stopped before: it would start another keeper.
    process.kill(await this.daemonUp(), 'SIGSTOP');
    await this.#killKeeper();
    await this.killDaemon();
  }

  /** SIGKILL to the keeper; resolves when the daemon has given all that it serves to a new one. */
  async killKeeper(): Promise<void> {
    const record = this.path(`run/${await this.daemonUp()}.json`);
    const keeper = (): number => JSON.parse(readFileSync(record, 'utf8')).keeper;
    const before = keeper();
    await this.#killKeeper();
    const deadline = performance.now() + SUCCESSOR_TIMEOUT_MS;
    while (keeper() === before) {
      if (performance.now() > deadline) throw new Error('No keeper comes');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Process ids of the keepers of this world's cache. */
  keeperPids(): number[] {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => {
        if (!Number.isInteger(pid)) return false;
        try {
          const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
          return (
            words[0]?.endsWith('g8ufs-keeper') === true && words[1] === keeperSocket(this.cache)
          );
        } catch {
          // It has ended since.
          return false;
        }
      });
  }

  async #killKeeper(): Promise<void> {
    for (const pid of this.keeperPids()) {
      process.kill(pid, 'SIGKILL');
      await processGone(pid);
    }
  }

  /** Resolves when there is such a file. */
  async fileThere(path: string): Promise<void> {
    const deadline = performance.now() + SUCCESSOR_TIMEOUT_MS;
    while (!existsSync(path)) {
      if (performance.now() > deadline) throw new Error(`${path} does not appear`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async cacheStatus(): Promise<Record<string, number>> {
    return await this.json('cache', 'status', '--cache', this.cache);
  }

  daemonLog(): string {
    return readFileSync(join(this.cache, 'run/daemon.log'), 'utf8');
  }

  #env(): Record<string, string> {
    return {
      G8UFS_RUN_DIR: this.path('run'),
      G8UFS_CREDENTIALS: this.credentials,
      // What the end of a daemon does is looked at as soon as its last mount is gone.
      G8UFS_LINGER: '0s',
      ...this.#more,
    };
  }

  async #end(): Promise<void> {
    for (const child of this.#children) await endChild(child, 'SIGKILL');
    // Before the daemon, or it would start another one.
    await this.#killKeeper();
    // It takes its own mounts away as it ends, and nothing of that is to happen beside us.
    for (const pid of this.#daemonsAlive()) {
      process.kill(pid, 'SIGKILL');
      await processGone(pid);
    }
    for (const path of mountsBelow(this.dir).reverse()) await execute('umount', ['-l', path]);
    // A daemon that ends by itself has no lock any more when it closes its state.
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  /** The daemon, if its lock file still names a process that is one of ours. */
  #daemonAlive(): number | undefined {
    try {
      const pid = this.daemonPid();
      return this.#isOurs(pid) ? pid : undefined;
    } catch {
      // No lock file: there is nothing to end.
      return undefined;
    }
  }

  /** And one that works without the cache, whose disk cannot be used: it is only registered. */
  #daemonsAlive(): Set<number> {
    const folder = this.path('run');
    const names = existsSync(folder) ? readdirSync(folder) : [];
    const pids = [
      this.#daemonAlive(),
      ...names.map((name) => Number(/^(\d+)\.json$/.exec(name)?.[1])),
    ];
    return new Set(pids.filter((pid) => pid !== undefined && this.#isOurs(pid)) as number[]);
  }

  #isOurs(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.cache);
    } catch {
      // No such process.
      return false;
    }
  }
}

/** Mount points below a folder, in the order in which they were mounted. */
export function mountsBelow(folder: string): string[] {
  return readMountinfo()
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => path.startsWith(`${folder}/`));
}

/** Runs a program to its end; a failure is a result. The serving process never reads a mount itself. */
export async function run(program: string, ...args: string[]): Promise<Run> {
  const options = { maxBuffer: 1 << 28, timeout: CHILD_TIMEOUT_MS, cwd: '/' };
  try {
    return { code: 0, ...(await execute(program, args, options)) };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as Partial<Run> & { code?: unknown };
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

/** What rsync would change to make the second tree like the first, a line for each. */
export async function differences(
  source: string,
  mnt: string,
  ...options: string[]
): Promise<string[]> {
  const flags = ['-n', '-c', '-aHAXS', '--itemize-changes', ...options];
  const result = await run('rsync', ...flags, `${source}/`, `${mnt}/`);
  if (result.code !== 0) throw new Error(`rsync ended with ${result.code}: ${result.stderr}`);
  return result.stdout.split('\n').filter((line) => line !== '');
}

/** Starts a program whose end the caller awaits. */
export function startProgram(program: string, ...args: string[]): ChildProcess {
  return spawn(program, args, { stdio: 'ignore', cwd: '/', timeout: CHILD_TIMEOUT_MS });
}

async function endChild(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** Resolves when the process does not exist any more; it is not a child of ours. */
export async function processGone(pid: number): Promise<void> {
  // A daemon with a sanitizer in it takes long to end on a busy machine.
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    try {
      // A zombie that init has not reaped yet has no executable left.
      readlinkSync(`/proc/${pid}/exe`);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`Process ${pid} does not end`);
}
