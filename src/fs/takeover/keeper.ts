/**
 * The daemon's keeper: a small process that holds the mounts of one cache while their daemon is away
 * (native/keeper). Started when the first mount is held; a keeper that has died is started anew, with
 * everything that is mounted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { G8Error, isG8Error, toG8Error } from '../../base/errors.ts';
import type { HeldEntry, KeeperBinding } from '../../native/addon.ts';
import { findKeeperProgram } from '../../native/programs.ts';
import type { Logger } from '../log.ts';
import { type EarlySessions, keeperSocket } from './early-sessions.ts';

/** It does nothing but open a socket; a machine that is busy takes longer than the 2 ms of others. */
const START_TIMEOUT_MS = 10_000;

/** How often a daemon looks whether its keeper is alive. One message and its answer: microseconds. */
const LOOK_INTERVAL_MS = 1_000;

/** How the daemon's successor is started: in this daemon's folder, with its output. */
export interface Successor {
  /** Program, an absolute path, and arguments. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface MountKeeperOptions {
  readonly cacheDir: string;
  readonly addon: KeeperBinding;
  readonly successor: Successor;
  /** As many successors shall stand by while there are mounts. */
  readonly standbys: number;
  readonly log: Logger;
  /** Its connection, when it was made before this was loaded. */
  readonly early?: EarlySessions | undefined;
  /** Called when a keeper was started, with its process id. */
  readonly onStarted: (pid: number) => Promise<void>;
}

/** What the keeper holds of one mount. */
export interface HeldMount {
  readonly id: number;
  /** Nothing of it is needed any more. */
  drop(): Promise<void>;
}

interface Held {
  readonly state: string;
  readonly session: number | undefined;
}

export class MountKeeper {
  readonly #options: MountKeeperOptions;
  /** What is held by now, in case the keeper has to be started anew. */
  readonly #held = new Map<number, Held>();
  #nextId = 1;
  #running: Promise<void> | undefined;
  #looker: NodeJS.Timeout | undefined;
  #standby = 0;
  #closed = false;

  constructor(options: MountKeeperOptions) {
    this.#options = options;
  }

  /**
   * Takes what the keeper of a predecessor holds; nothing when there is none.
   *
   * @throws ERR_CACHE_LOCKED while another daemon is connected; ERR_PERMISSION, ERR_IO
   */
  async connect(): Promise<readonly HeldEntry[]> {
    const { addon, cacheDir, early } = this.#options;
    const held = early?.entries ?? (await addon.keeperConnect(keeperSocket(cacheDir)));
    if (held === undefined) return [];
    this.#nextId = Math.max(0, ...held.map(({ id }) => id)) + 1;
    this.#running = this.#introduce();
    await this.#running;
    return held;
  }

  /** Nobody tells that a keeper has died; a daemon that dies without one takes its mounts along. */
  #watch(): void {
    let isLooking = false;
    this.#looker ??= setInterval(() => {
      if (isLooking) return;
      isLooking = true;
      void this.#look().finally(() => {
        isLooking = false;
      });
    }, LOOK_INTERVAL_MS).unref();
  }

  async #look(): Promise<void> {
    if (this.#closed || this.#held.size === 0) return;
    const running = this.#running;
    try {
      if (running !== undefined) {
        await running.catch(() => {});
        if ((await this.#answers()) || this.#running !== running) return;
        this.#running = undefined;
      }
      await this.#ensure();
      this.#options.log.warn({}, 'the keeper of the mounts has died; there is a new one');
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the keeper of the mounts cannot be started');
    }
  }

  /** Starts the keeper beside other work; whatever fails shows when a mount is to be held. */
  warmUp(): void {
    if (this.#closed) return;
    this.#ensure().catch(() => {});
  }

  /**
   * Holds a mount from now on. What fails is told in the log: the mount works, but ends with this process.
   *
   * @param id of an entry that is held already
   */
  async hold(
    state: string,
    session: number | undefined,
    id = this.#nextId++,
  ): Promise<HeldMount | undefined> {
    try {
      await this.#holdOrRestart(id, state, session);
      this.#held.set(id, { state, session });
      return { id, drop: () => this.drop(id) };
    } catch (error) {
      const { code, message } = toG8Error(error, 'ERR_IO', 'Mount cannot be kept');
      this.#options.log.warn({ code, reason: message }, 'the mount will not outlive this process');
      return undefined;
    }
  }

  /** A keeper that has died since is started anew, with all that it held. */
  async #holdOrRestart(id: number, state: string, session: number | undefined): Promise<void> {
    const running = this.#ensure();
    await running;
    try {
      await this.#options.addon.keeperHold(id, state, session);
    } catch (error) {
      if (!isG8Error(error, 'ERR_IO') || (await this.#answers())) throw error;
      if (this.#running === running) this.#running = undefined;
      await this.#ensure();
      await this.#options.addon.keeperHold(id, state, session);
    }
  }

  /** Whether the keeper is there, whatever it refuses. */
  async #answers(): Promise<boolean> {
    return await this.#sayReady().then(
      () => true,
      () => false,
    );
  }

  async #sayReady(): Promise<void> {
    this.#standby = 0;
    this.#standby = await this.#options.addon.keeperReady(this.#options.standbys);
  }

  /** Process id of the successor that goes on first, as of the last second; `undefined` when none stands by. */
  get standby(): number | undefined {
    return this.#standby === 0 ? undefined : this.#standby;
  }

  /** What was held by a predecessor and is restored now. */
  adopted(id: number, state: string, session: number | undefined): HeldMount {
    this.#held.set(id, { state, session });
    return { id, drop: () => this.drop(id) };
  }

  async drop(id: number): Promise<void> {
    this.#held.delete(id);
    await this.#tell('drop', id);
  }

  /** Keeps what is known of a mount that cannot be restored; its users get errors. */
  async giveUp(id: number, state: string): Promise<void> {
    this.#held.set(id, { state, session: undefined });
    const { addon, early, log } = this.#options;
    for (const step of [early?.abandon(id), addon.keeperGiveUp(id, state)]) {
      await step?.catch((error: unknown) => log.debug({ err: error, id }, 'not let go of'));
    }
  }

  async restoring(id: number): Promise<void> {
    await this.#tell('restoring', id);
  }

  async restored(id: number): Promise<void> {
    await this.#tell('restored', id);
  }

  async ready(): Promise<void> {
    if (this.#running === undefined) return;
    await this.#unlessGone('ready', () => this.#sayReady());
    // Not before: what it is asked means that this daemon works.
    this.#watch();
  }

  /** Another daemon goes on when this process has ended. @throws ERR_IO when there is no keeper */
  async handOver(): Promise<void> {
    if (this.#held.size > 0) await this.#options.addon.keeperTell('handover');
    this.#closed = true;
    clearInterval(this.#looker);
  }

  /** All mounts are gone: the keeper ends with this process. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#looker);
    if (this.#running === undefined) return;
    await this.#running.catch(() => {});
    await this.#tell('goodbye');
  }

  async #tell(what: Parameters<KeeperBinding['keeperTell']>[0], id?: number): Promise<void> {
    await this.#unlessGone(what, () => this.#options.addon.keeperTell(what, id));
  }

  // A keeper that is gone holds nothing: what it is told does not matter then.
  async #unlessGone(what: string, tell: () => Promise<void>): Promise<void> {
    try {
      await tell();
    } catch (error) {
      this.#options.log.debug({ err: error, what }, 'the keeper does not answer');
      if (!this.#closed) this.#running = undefined;
    }
  }

  #ensure(): Promise<void> {
    if (this.#closed) throw new G8Error('ERR_ABORTED', 'The mount daemon is going away');
    this.#running ??= this.#start().catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    return this.#running;
  }

  async #start(): Promise<void> {
    const { addon, cacheDir, log, onStarted } = this.#options;
    const socket = keeperSocket(cacheDir);
    const child = spawn(findKeeperProgram(), [socket], {
      cwd: '/',
      // It must survive what ends this process: a terminal, a signal to the group.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    await waitUntilReady(child);
    if ((await addon.keeperConnect(socket)) === undefined) {
      throw new G8Error('ERR_IO', 'The keeper of the mounts does not listen');
    }
    await this.#introduce();
    for (const [id, { state, session }] of this.#held) {
      try {
        await addon.keeperHold(id, state, session);
      } catch (error) {
        // One that has just ended is dropped in a moment.
        log.debug({ err: error, id }, 'a mount is not held again');
      }
    }
    await this.#sayReady();
    this.#watch();
    if (child.pid !== undefined) await onStarted(child.pid);
  }

  async #introduce(): Promise<void> {
    const { addon, successor } = this.#options;
    const environment = Object.entries(successor.env)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value}`);
    await addon.keeperSuccessor(successor.argv, environment);
  }
}

async function waitUntilReady(child: ChildProcess): Promise<void> {
  const ready = child.stdio[3] as Readable;
  try {
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    const failed = once(child, 'error', { signal }).then(([error]) => {
      throw error;
    });
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new G8Error('ERR_IO', `The keeper of the mounts ended with ${code}`);
    });
    const said = once(ready, 'data', { signal });
    for (const outcome of [failed, ended, said]) outcome.catch(() => {});
    await Promise.race([failed, ended, said]);
  } catch (error) {
    child.kill('SIGKILL');
    throw toG8Error(error, 'ERR_IO', 'The keeper of the mounts cannot be started');
  } finally {
    ready.destroy();
    child.unref();
  }
}
