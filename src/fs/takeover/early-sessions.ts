/**
 * Connections of a predecessor that answer again before this daemon is loaded: names, attributes and whatever
 * is in the cache need no JavaScript. What does waits here until the daemon takes its sessions.
 *
 * Loaded before everything else: few and small imports, that is the point.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  HeldEntry,
  KeeperBinding,
  Need,
  OpenedSession,
  SessionBinding,
  SessionOptions,
} from '../../native/addon.ts';
import { driverOptions } from '../driver-options.ts';
import { type NativeCalls, nativeOptions } from '../native-driver.ts';
import { decodeState } from './held-state.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const CONNECT_DELAY_MS = 5;

/** Where a keeper listens; here, because {@link MountKeeper} loads more than this needs. */
export function keeperSocket(cacheDir: string): string {
  return join(cacheDir, 'run', 'keeper.sock');
}

interface EarlySession {
  readonly opened: Promise<OpenedSession>;
  readonly needs: Need[];
  ended: boolean;
  onNeed: (need: Need) => void;
  onEnd: () => void;
}

export class EarlySessions {
  /** All that the keeper holds. */
  readonly entries: readonly HeldEntry[];
  readonly #addon: SessionBinding;
  readonly #sessions = new Map<number, EarlySession>();

  private constructor(entries: readonly HeldEntry[], addon: SessionBinding) {
    this.entries = entries;
    this.#addon = addon;
  }

  /**
   * Begins to serve what a keeper holds; what cannot be served like this is left for later, when its
   * failure can be told.
   *
   * @returns `undefined` when there is no keeper
   * @throws ERR_CACHE_LOCKED when another daemon is connected to it
   */
  static async begin(
    cacheDir: string,
    addon: SessionBinding & KeeperBinding,
  ): Promise<EarlySessions | undefined> {
    const entries = await connect(cacheDir, addon);
    if (entries === undefined) return undefined;
    const early = new EarlySessions(entries, addon);
    for (const entry of entries) {
      // One whose restoring has ended a daemon has to wait until it is the only one.
      if (entry.attempts === 0 && entry.hasDevice) await early.#begin(cacheDir, entry, addon);
    }
    return early;
  }

  async #begin(cacheDir: string, entry: HeldEntry, addon: KeeperBinding): Promise<void> {
    let options: SessionOptions;
    try {
      const state = decodeState(entry.state);
      if (state.kind !== 'mount' || state.quarantine !== undefined) return;
      const { request, image, lower } = state;
      options = nativeOptions({
        ...driverOptions(request, join(cacheDir, 'flists', image), lower ?? request.mountPoint),
        // As in src/cache/layout.ts, whose module would bring others.
        filesDir: join(cacheDir, 'files'),
        partialDir: join(cacheDir, 'partial'),
      });
      await addon.keeperTell('restoring', entry.id);
    } catch {
      return;
    }
    const session: EarlySession = {
      opened: this.#addon.openSession(
        { ...options, adopt: entry.id },
        (need) => session.onNeed(need),
        () => session.onEnd(),
      ),
      needs: [],
      ended: false,
      onNeed: (need) => session.needs.push(need),
      onEnd: () => {
        session.ended = true;
      },
    };
    session.opened.catch(() => {});
    this.#sessions.set(entry.id, session);
  }

  /** The addon with these sessions in front. */
  get calls(): NativeCalls {
    const { closeSession, sessionStats, sessionOpens } = this.#addon;
    return { openSession: this.openSession, closeSession, sessionStats, sessionOpens };
  }

  /** Takes away a connection whose mount cannot be restored. What is absent is not waited for by anybody here. */
  async abandon(id: number): Promise<void> {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    session.onNeed = () => {};
    session.needs.length = 0;
    // One that waits for a disk has not taken the connection, and finds it gone when the disk answers.
    void session.opened
      .then((opened) =>
        this.#addon.closeSession(opened.session, { lazy: true, leaveMounted: true }),
      )
      .catch(() => {});
  }

  /** Until the index of this mount has been opened, if that was begun; whether it could be is for whoever adopts it. */
  async tried(id: number): Promise<void> {
    await this.#sessions.get(id)?.opened.catch(() => {});
  }

  /** As `SessionBinding.openSession`; gives a session that was begun early to whoever adopts it. */
  openSession: SessionBinding['openSession'] = async (options, onNeed, onEnd) => {
    const session = options.adopt === undefined ? undefined : this.#sessions.get(options.adopt);
    if (session === undefined) return await this.#addon.openSession(options, onNeed, onEnd);
    this.#sessions.delete(options.adopt as number);
    const opened = await session.opened;
    // In this turn nothing can come in between.
    session.onNeed = onNeed;
    session.onEnd = onEnd;
    // Whoever opens has to know the session before it hears of it.
    setImmediate(() => {
      for (const need of session.needs.splice(0)) onNeed(need);
      if (session.ended) onEnd();
    });
    return opened;
  };
}

/** A predecessor that is just going is waited for; one that stays is another daemon. */
async function connect(cacheDir: string, addon: KeeperBinding): Promise<HeldEntry[] | undefined> {
  const deadline = performance.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      return await addon.keeperConnect(keeperSocket(cacheDir));
    } catch (error) {
      const isBusy = (error as { code?: unknown }).code === 'ERR_CACHE_LOCKED';
      if (!isBusy || performance.now() > deadline) throw error;
      await delay(CONNECT_DELAY_MS);
    }
  }
}
