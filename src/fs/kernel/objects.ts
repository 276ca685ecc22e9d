/**
 * The object mount: one FUSE connection of a daemon that has the contents of all images in the kernel tier,
 * for overlays to look into when a content is not whole in the cache. Made with the first image.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import type { Quota } from '../../cache/quota.ts';
import { ContentsReader } from '../../format/index/contents-reader.ts';
import { type FileSource, openFileSource } from '../../image/file-source.ts';
import type {
  HeldEntry,
  OpenedSession,
  SessionBinding,
  SessionOptions,
} from '../../native/addon.ts';
import type { ChunkStore } from '../../store/store.ts';
import type { Demand, DemandSource } from '../demand.ts';
import type { Foresight } from '../foresight/foresight.ts';
import { deadlineWithin } from '../kernel-timeout.ts';
import { MissLog } from '../miss-log.ts';
import { findMount } from '../mountinfo.ts';
import { PathNames, type Place } from '../path-names.ts';
import { encodeState } from '../takeover/held-state.ts';
import type { HeldMount, MountKeeper } from '../takeover/keeper.ts';
import { unmount } from '../unmount.ts';

/** As for mounts of one image, see native-driver.ts. */
const WORKERS = 2;
const READAHEAD_BYTES = 1024 * 1024;
/** Each mount keeps its own deadline in the demand; this one is for a need that nobody answers. */
const DEADLINE_MS = 3_600_000;
/** See `kProbeName` in native/driver/object_server.cc. */
const PROBE_NAME = 'probe';

export interface ObjectMountOptions {
  readonly addon: SessionBinding;
  /** Where it is mounted. */
  readonly dir: string;
  /** The cache's folder of complete content files. */
  readonly filesDir: string;
  readonly demand: Demand;
  /** Holds the connection beyond this process; absent: it ends with it. */
  readonly keeper?: MountKeeper | undefined;
}

export interface ObjectImage {
  readonly mountPoint: string;
  /** Folder with the mount index. */
  readonly indexDir: string;
  readonly store: ChunkStore;
  readonly deadlineMs: number;
  readonly quota: Quota | undefined;
}

/** An image whose contents can be had. */
export interface ObjectSource {
  readonly source: DemandSource & { readonly foresight: Foresight };
  /** Takes them away again, when no overlay of the image is left. */
  readonly remove: () => void;
}

export class ObjectMount {
  readonly dir: string;
  readonly #options: ObjectMountOptions;
  readonly #images = new Map<number, DemandSource>();
  #opening: Promise<number> | undefined;
  #session: number | undefined;
  #held: HeldMount | undefined;
  /** It was taken over and waits for its images. */
  #isPaused = false;

  constructor(options: ObjectMountOptions) {
    this.#options = options;
    this.dir = options.dir;
  }

  /**
   * Lets overlays find the contents of an image here.
   *
   * @throws ERR_NO_FUSE, ERR_MOUNT, ERR_PERMISSION, ERR_FLIST_FORMAT
   */
  async add(image: ObjectImage): Promise<ObjectSource> {
    const { addon, demand } = this.#options;
    const { mountPoint, indexDir, store, deadlineMs, quota } = image;
    const names = new PathNames(indexDir);
    const files: FileSource[] = [];
    const openFile = (name: string): FileSource => {
      const file = openFileSource(join(indexDir, name));
      files.push(file);
      return file;
    };
    const closeFiles = (): void => {
      names.close();
      for (const file of files) file.close();
    };
    try {
      const contents = new ContentsReader(openFile('mount.contents'), openFile('mount.chunks'));
      // The kernel tells which content it reads, but not of which file.
      const byContent = {
        find: async ({ content }: Place) =>
          content === undefined ? undefined : await names.findContent(content, contents),
      };
      const misses = new MissLog({ mountPoint, names: byContent, slowReads: demand.slowReads });
      const own = { mountPoint, contents, store, deadlineMs, misses, quota };
      const foresight = demand.foresight({ ...own, names, hasInodes: false });
      const source = { ...own, foresight };
      const session = await this.#open();
      const number = await addon.addImage(session, indexDir);
      // Nobody can ask before this: the overlay is mounted afterwards.
      this.#images.set(number, source);
      const remove = (): void => {
        this.#images.delete(number);
        addon.removeImage(session, number);
        foresight.close();
        closeFiles();
      };
      return { source, remove };
    } catch (error) {
      closeFiles();
      throw error;
    }
  }

  /** Counters of the connection; none before there is one. */
  stats(): Record<string, number> {
    if (this.#session === undefined) return {};
    const { requests, ...counters } = this.#options.addon.sessionStats(this.#session);
    const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
    return { requests: total, ...counters };
  }

  /** Requests of the connection by operation. */
  requests(): Readonly<Record<string, number>> {
    if (this.#session === undefined) return {};
    return this.#options.addon.sessionStats(this.#session).requests;
  }

  /** Detaches it; overlays that are still in use lose what is not in the cache. */
  async close(): Promise<void> {
    const session = await this.#opening?.catch(() => undefined);
    if (session === undefined) return;
    this.#opening = undefined;
    this.#session = undefined;
    await this.#options.addon.closeSession(session, { lazy: true });
  }

  #open(): Promise<number> {
    this.#opening ??= this.#mount().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Goes on with the connection of a predecessor. It answers when {@link resume} is called: nobody may be told
   * that a content is unknown whose image is still to be added.
   *
   * @throws ERR_MOUNT when it cannot be used
   */
  async adopt({ id, state }: HeldEntry): Promise<void> {
    const { keeper } = this.#options;
    this.#opening = this.#openSession({ adopt: id, paused: true }).then(({ session }) => session);
    this.#session = await this.#opening;
    this.#isPaused = true;
    this.#held = keeper?.adopted(id, state, this.#session);
  }

  /** Makes room for a new one: the connection of the predecessor cannot be used. */
  async lose(): Promise<void> {
    this.#opening = undefined;
    if (findMount(this.dir) !== undefined) await unmount(this.dir, true);
  }

  async resume(): Promise<void> {
    if (!this.#isPaused || this.#session === undefined) return;
    this.#isPaused = false;
    await this.#options.addon.resumeSession(this.#session);
  }

  async #mount(): Promise<number> {
    const { dir, keeper } = this.#options;
    await makeFolder(dir, { mode: 0o700 });
    const { session, info } = await this.#openSession(keeper === undefined ? {} : { keep: true });
    this.#session = session;
    await this.#settleOpens();
    if (info.kept) this.#held = await keeper?.hold(encodeState({ kind: 'objects' }), session);
    return session;
  }

  async #openSession(
    more: Pick<SessionOptions, 'keep' | 'adopt' | 'paused'>,
  ): Promise<OpenedSession> {
    const { addon, dir, filesDir, demand } = this.#options;
    return await addon.openSession(
      {
        mountPoint: dir,
        filesDir,
        source: 'g8ufs',
        allowOther: true,
        openMode: 'none',
        workers: WORKERS,
        deadlineMs: deadlineWithin(DEADLINE_MS),
        readaheadBytes: READAHEAD_BYTES,
        wholeBlocksMax: 0,
        recordTouches: false,
        ...more,
      },
      (need) => {
        const source = this.#images.get(need.image ?? 0);
        // Of an image that has just gone: its last reader has, too.
        if (source !== undefined) void demand.answer(source, need);
      },
      () => {
        this.#opening = undefined;
        this.#session = undefined;
        void this.#held?.drop();
        this.#held = undefined;
      },
    );
  }

  /**
   * Opens and closes a file, so that the kernel learns now that neither OPEN nor FLUSH is served: files
   * that are in the cache's memory can then be opened and closed when this process is no more.
   */
  async #settleOpens(): Promise<void> {
    try {
      const file = await open(join(this.dir, PROBE_NAME), 'r');
      await file.close();
    } catch (error) {
      await this.#options.addon.closeSession(this.#session as number, { lazy: true });
      throw new G8Error('ERR_MOUNT', `Mount of contents at ${this.dir} does not answer`, {
        cause: error,
      });
    }
  }
}
