/**
 * Foretells reads of one mount that has no start profile, where a round trip is long: small files beside those that
 * were missed go along in the request of the next miss, and what ELF files name is asked for at once. How much, says
 * `share.ts`. Decision: docs/decisions/0027-foretold-reads.md.
 *
 * Nothing of it is waited for by anybody, and nothing is evicted for it.
 *
 * Concurrency: for one event loop.
 */
import { toHex } from '../../base/bytes.ts';
import { startDeadline } from '../../base/deadline.ts';
import type { ContentCache } from '../../cache/cache.ts';
import type { LoadWatcher } from '../../cache/fetch.ts';
import type { Riders } from '../../cache/fill-options.ts';
import type { FillSpan } from '../../cache/load.ts';
import type { Quota } from '../../cache/quota.ts';
import type { ContentsReader } from '../../format/index/contents-reader.ts';
import type { Need } from '../../native/addon.ts';
import type { ChunkStore } from '../../store/store.ts';
import type { Logger } from '../log.ts';
import type { MissLog } from '../miss-log.ts';
import type { NamedTree, PathNames } from '../path-names.ts';
import { LinkedFiles } from './linked-files.ts';
import { type Neighbour, Neighbours } from './neighbours.ts';
import type { OpenedContents } from './opened-contents.ts';
import { foretoldShare } from './share.ts';

/** Stored bytes of linked files before readers have fetched anything: a program's first libraries. */
const LINKED_BYTES_START = 4 * 1024 * 1024;
/** Files that wait until it is known how far the store is. */
const EARLY_MAX = 8;
/** Foretold contents that nobody has opened yet, as far as they are counted. */
const UNUSED_MAX = 16_384;

export interface ForesightOptions {
  readonly mountPoint: string;
  readonly contents: ContentsReader;
  readonly names: PathNames;
  readonly store: ChunkStore;
  readonly misses: MissLog;
  readonly deadlineMs: number;
  readonly quota: Quota | undefined;
  /** Needs say which inode is read; else only which content. */
  readonly hasInodes: boolean;
  readonly cache: ContentCache;
  readonly opened: OpenedContents;
  readonly log: Logger;
}

/** Stored bytes of one kind of guess. */
class Spent {
  /** That came, and that are on their way. */
  bytes = 0;
  planned = 0;

  get all(): number {
    return this.bytes + this.planned;
  }
}

export class Foresight {
  readonly #options: ForesightOptions;
  readonly #linked: LinkedFiles;
  readonly #neighbours = new Spent();
  readonly #libraries = new Spent();
  /** Bytes of foretold contents by key. */
  readonly #unused = new Map<string, number>();
  readonly #rows = new Set<number>();
  /** What came before it is known how far the store is. */
  readonly #early: Need[] = [];
  #firstInodes: Uint32Array | undefined;
  #unlisten: (() => void) | undefined;
  #isOn = false;
  #tree: (NamedTree & { readonly beside: Neighbours }) | undefined;

  constructor(options: ForesightOptions) {
    this.#options = options;
    const { contents, cache } = options;
    const fetch = (spans: readonly FillSpan[]): Promise<boolean> => this.#fetchLinked(spans);
    this.#linked = new LinkedFiles({ contents, layout: cache.layout, fetch });
  }

  /** Nothing is foretold before: a start profile knows better. */
  start(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#unlisten = this.#options.opened.listen((key) => this.#used(key));
  }

  /** Idempotent. */
  close(): void {
    this.#isOn = false;
    this.#unlisten?.();
    this.#tree = undefined;
    this.#unused.clear();
  }

  /** Whether a content was foretold: who skips it is still going through the tree in order. */
  has(row: number): boolean {
    return this.#rows.has(row);
  }

  /** A reader fetches the whole of a small file: what may go along. Never throws. */
  riders(need: Need): Riders | undefined {
    const { store, misses } = this.#options;
    const share = this.#share();
    if (share === 0 || store.takesBatches !== true) return undefined;
    const read = misses.totals.demand.bytes + this.#libraries.bytes;
    const room = share * read - this.#neighbours.all;
    const picked = this.#pick(need, room);
    if (picked.length === 0) return undefined;
    const planned = picked.reduce((sum, { costBytes }) => sum + costBytes, 0);
    this.#neighbours.planned += planned;
    return {
      refs: picked.map(({ ref }) => ref),
      watcher: this.#watcher(this.#neighbours),
      onEnd: (landed) => {
        this.#neighbours.planned -= planned;
        for (const [index, { ref, row, storedBytes }] of picked.entries()) {
          if (landed[index] !== true) continue;
          this.#note(toHex(ref.digest), storedBytes);
          this.#rows.add(row);
        }
      },
    };
  }

  /** The first block of a file came for a reader. Never throws. */
  landed(need: Need): void {
    const { cache, store } = this.#options;
    if (!this.#isOn) return;
    if (this.#early.length < EARLY_MAX) this.#early.push(need);
    if (cache.answerMs(store) === undefined) return;
    const due = this.#early.splice(0);
    if (this.#share() === 0) return;
    for (const each of due) {
      this.#followLinks(each).catch((error: unknown) => this.#failed(error));
    }
  }

  #share(): number {
    const { cache, store } = this.#options;
    return this.#isOn ? foretoldShare(cache.answerMs(store)) : 0;
  }

  #pick(need: Need, room: number): Neighbour[] {
    if (this.#tree === undefined) {
      // Reading the index takes a while, and the reader does not wait for it.
      this.#openTree().catch((error: unknown) => this.#failed(error));
      return [];
    }
    try {
      const { paths, beside } = this.#tree;
      const folder = paths.folderOf(this.#fileOf(need));
      return folder === undefined ? [] : beside.miss(folder, need.content, room);
    } catch (error) {
      this.#failed(error);
      return [];
    }
  }

  #fileOf({ nid, content }: Need): { nid: number } | { ino: number } {
    if (this.#options.hasInodes) return { nid };
    this.#firstInodes ??= this.#options.contents.firstInodes();
    return { ino: this.#firstInodes[content] ?? 0 };
  }

  async #openTree(): Promise<NamedTree> {
    const { names, contents } = this.#options;
    const tree = await names.openTree();
    this.#tree ??= { ...tree, beside: new Neighbours(contents, tree.index) };
    return tree;
  }

  async #followLinks({ nid, content }: Need): Promise<void> {
    const tree = await this.#openTree();
    const path = await this.#options.names.find({ nid, content }).catch(() => undefined);
    const text = path === undefined ? undefined : Buffer.from(path).toString();
    await this.#linked.follow({ row: content, path: text }, tree);
  }

  async #fetchLinked(spans: readonly FillSpan[]): Promise<boolean> {
    const { cache, store, quota, deadlineMs, mountPoint, misses, log } = this.#options;
    const sizes = spans.map(({ ref, first }) => ref.chunk(first).storedSize || ref.blockSize);
    const planned = sizes.reduce((sum, size) => sum + size, 0);
    const room =
      LINKED_BYTES_START + this.#share() * misses.totals.demand.bytes - this.#libraries.all;
    if (planned > room || !this.#isOn) return false;
    this.#libraries.planned += planned;
    const deadline = startDeadline({ timeoutMs: deadlineMs, what: `Foresight at ${mountPoint}` });
    try {
      if (!(await cache.hasRoom(planned, quota))) return false;
      let came = 0;
      const { onCall, onChunk } = this.#watcher(this.#libraries);
      const watcher: LoadWatcher = {
        onCall,
        onChunk: (size) => {
          came += size;
          onChunk(size);
        },
      };
      const { signal } = deadline;
      await cache.fillMany(spans, { store, priority: 'profile', watcher, quota, signal });
      // Some may have been local, or on their way for somebody else.
      for (const [i, { ref }] of spans.entries()) {
        this.#note(toHex(ref.digest), Math.round(((sizes[i] ?? 0) * came) / planned));
      }
      return true;
    } catch (error) {
      log.debug({ err: error }, 'foretold reads failed');
      return false;
    } finally {
      deadline.clear();
      this.#libraries.planned -= planned;
    }
  }

  #watcher(spent: Spent): LoadWatcher {
    const { onCall, onChunk } = this.#options.misses.watcher('foretold');
    return {
      onCall,
      onChunk: (size) => {
        spent.bytes += size;
        onChunk(size);
      },
    };
  }

  #note(key: string, bytes: number): void {
    if (this.#unused.size >= UNUSED_MAX) return;
    this.#unused.set(key, (this.#unused.get(key) ?? 0) + bytes);
  }

  #used(key: string): void {
    const bytes = this.#unused.get(key);
    if (bytes === undefined || !this.#unused.delete(key)) return;
    this.#options.misses.totals.foretoldUsed.bytes += bytes;
  }

  /** Whoever reads there gets the error; nothing more is foretold. */
  #failed(error: unknown): void {
    if (!this.#isOn) return;
    this.#options.log.debug({ err: error }, 'foretelling reads failed');
    this.close();
  }
}
