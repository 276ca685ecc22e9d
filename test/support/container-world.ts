/**
 * A world with containers: a hub, a cache, a small image and the state folder of one test. Its end takes everything
 * away, also what a failed test has left: containers, cgroups, mounts, processes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sleep } from '../../src/base/deadline.ts';
import { daemonCommand } from '../../src/cli/early-daemon.ts';
import type { ContainerArguments } from '../../src/core/container/arguments.ts';
import type { Container } from '../../src/core/container/container.ts';
import { PLAIN_NETWORK } from '../../src/core/container/container-network.ts';
import { Containers, type ContainersOptions } from '../../src/core/container/containers.ts';
import { parseContainerArguments } from '../../src/core/container/parse-arguments.ts';
import { type ContainerRecord, readRecord } from '../../src/core/container/record.ts';
import { Runtime } from '../../src/core/container/runtime.ts';
import { createLogger } from '../../src/fs/log.ts';
import { readMountinfo } from '../../src/fs/mountinfo.ts';
import { MountWorld, processGone, type Run, run } from './mount-world.ts';

/** Enough to look around with. */
const APPLETS = `sh setsid cat ls id ps sleep mount mknod dd ln mkdir rm touch echo env hostname ip kill nproc stat true false
  head tail grep wc df chmod nc wget ping mkfifo trap test printf seq uname`;
/** What is left when nothing is. */
export const NOTHING = { folders: [], mounts: [], cgroups: [] };
const FILE_TIMEOUT_MS = 10_000;
const MAKER = fileURLToPath(new URL('./container-maker.js', import.meta.url));
let worlds = 0;

export class ContainerWorld {
  readonly mounts: MountWorld;
  readonly state: string;
  /** Begins the path of all cgroups of this world. */
  readonly cgroupParent = `/g8ufs-test-${process.pid}-${++worlds}`;
  readonly runtime: Runtime;
  readonly #opened: Containers[] = [];
  readonly #children: ChildProcess[] = [];
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(context: TestContext) {
    // Before the mounts of the other world are taken away.
    context.after(() => this.#end());
    this.mounts = new MountWorld(context);
    // For the mount daemons that this process starts.
    process.env['G8UFS_RUN_DIR'] = this.mounts.path('run');
    process.env['G8UFS_LINGER'] = '0s';
    this.state = this.mounts.path('state');
    this.runtime = new Runtime('runc', join(this.state, 'runtime'));
  }

  /** A folder with a small system in it: busybox, and a user. */
  system(name = 'system'): string {
    const folder = this.mounts.folder(name);
    for (const sub of ['bin', 'etc', 'tmp', 'var/log', 'srv']) {
      mkdirSync(join(folder, sub), { recursive: true });
    }
    copyFileSync('/bin/busybox', join(folder, 'bin/busybox'));
    for (const applet of APPLETS.split(/\s+/)) symlinkSync('busybox', join(folder, 'bin', applet));
    writeFileSync(
      join(folder, 'etc/passwd'),
      'root:x:0:0:root:/:/bin/sh\nguest:x:1000:1000::/:/bin/sh\n',
    );
    writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nguest:x:1000:\n');
    writeFileSync(join(folder, 'etc/motd'), 'welcome\n');
    return folder;
  }

  /** Makes the small system a flist whose chunks are in a folder. */
  async image(folder = this.system(), name = 'image'): Promise<string> {
    const flist = this.mounts.path(`${name}.flist`);
    await this.mounts.json('flist', 'create', folder, flist, '--store', this.mounts.path('chunks'));
    return flist;
  }

  async open(changes: Partial<ContainersOptions> = {}): Promise<Containers> {
    const containers = await Containers.open({ ...this.options(), ...changes });
    this.#opened.push(containers);
    return containers;
  }

  options(): ContainersOptions {
    return {
      stateDir: this.state,
      runtime: this.runtime,
      mounts: {
        daemon: daemonCommand(this.mounts.cache),
        stores: [`dir://${this.mounts.path('chunks')}`],
        deadlineMs: 10_000,
        tier: 'auto',
      },
      network: PLAIN_NETWORK,
      cgroupParent: this.cgroupParent,
      initProgram: '/usr/bin/catatonit',
      programs: {},
      hubUrl: '',
      countMax: 10,
      log: createLogger('error'),
    };
  }

  arguments(root: string, more: Readonly<Record<string, unknown>> = {}): ContainerArguments {
    return parseContainerArguments({ root, ...more }, { tags: null, storage: '', bridge: 'core0' });
  }

  /** Runs a shell script in a container to its end. */
  async shell(container: Container, script: string): Promise<Run> {
    const [program, ...args] = container.exec({ argv: ['/bin/sh', '-c', script] });
    return await run(program, ...args);
  }

  /** Called at the end, when the containers are gone and the folders are still there. */
  atEnd(end: () => Promise<void>): void {
    this.#ends.push(end);
  }

  /** Starts a process that makes a container and says its number. */
  startMaker(image: string): ChildProcess {
    const { cache } = this.mounts;
    const store = `dir://${this.mounts.path('chunks')}`;
    const child = spawn(
      process.execPath,
      [MAKER, this.state, cache, store, this.cgroupParent, image],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    this.#children.push(child);
    return child;
  }

  record(id: number): Promise<ContainerRecord | undefined> {
    return readRecord(join(this.state, 'containers', String(id)));
  }

  /** Resolves when there is such a file. */
  async fileThere(path: string): Promise<void> {
    const deadline = performance.now() + FILE_TIMEOUT_MS;
    while (!existsSync(path)) {
      if (performance.now() > deadline) throw new Error(`${path} does not appear`);
      await sleep(10);
    }
  }

  /** Resolves when the mount daemon has ended, as it does without mounts. */
  async daemonGone(): Promise<void> {
    const lock = join(this.mounts.cache, 'lock');
    if (existsSync(lock)) await processGone(Number(readFileSync(lock, 'utf8')));
  }

  /** What there is of containers outside of their processes. */
  leftovers(): { folders: string[]; mounts: string[]; cgroups: string[] } {
    const folder = join(this.state, 'containers');
    return {
      folders: existsSync(folder) ? readdirSync(folder) : [],
      mounts: readMountinfo()
        .map(({ mountPoint }) => mountPoint)
        .filter((point) => point.startsWith(`${this.state}/`)),
      cgroups: this.#cgroups().flatMap((path) =>
        readdirSync(path, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => join(path, entry.name)),
      ),
    };
  }

  #cgroups(): string[] {
    return readMountinfo()
      .filter(({ type }) => type.startsWith('cgroup'))
      .map(({ mountPoint }) => join(mountPoint, this.cgroupParent))
      .filter((path) => existsSync(path));
  }

  async #end(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const containers of this.#opened) await containers.close();
    const folder = join(this.state, 'containers');
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      await this.runtime.delete(`core-${name}`).catch(() => {});
    }
    for (const end of this.#ends) await end();
    for (const path of this.#cgroups()) rmdirSync(path);
  }
}
