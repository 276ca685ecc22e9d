/**
 * Garbage collection of a hub's chunks, and of packages that no entry refers to.
 *
 * It marks what the catalogue refers to, lists what the backend has, and compares the two, a 256th at a time.
 * A chunk to which nothing refers is noted in the catalogue; it is deleted by a later run, when the note is older
 * than the grace period and the chunk is still not referred to. Uploads take notes away or make them young
 * (`guarded-store.ts`), and a commit decides who was first. A run that is killed leaves notes that the next one
 * goes on from; nothing else is kept between runs.
 */
import { throwIfAborted } from '../../base/abort.ts';
import { forEachParallel } from '../../base/workers.ts';
import type { CollectResult, RunProgress } from '../../store/hub-runs.ts';
import type { ChunkId, PrunableChunkStore } from '../../store/store.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { CHUNK_ACCESS, ENTRY, FILE, GARBAGE, type Garbage, PACKAGE } from '../catalogue/records.ts';
import { PROMISE_AGAIN_MS } from './guarded-store.ts';
import { BUCKET_COUNT, IdBuckets } from './id-buckets.ts';
import { type Collected, eachReference } from './references.ts';
import { LEASE_MS, type Run, withRun } from './run.ts';

export interface CollectOptions {
  /** How long a chunk or package must have been garbage, in milliseconds. */
  readonly graceMs: number;
  /** Say what would be done, and change nothing. */
  readonly dryRun: boolean;
  /** For files of the run: 33 bytes for each chunk and each reference, some of them twice. */
  readonly tmpDir: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
  /** Replaced in tests. */
  readonly now?: () => number;
}

/** A day: longer than any upload takes. */
export const GRACE_MS = 24 * 3_600_000;
/** Notes of one commit. */
const NOTE_COUNT = 256;
const DELETE_CONCURRENCY = 8;
// Well within the lease, so that what is not deleted by then is left to the next run.
const DELETE_MS = LEASE_MS / 2;
const PROGRESS_COUNT = 10_000;

/** @throws ERR_CACHE_LOCKED while another run is under way, and as `eachReference` */
export async function collectGarbage(
  hub: Collected & { readonly chunks: PrunableChunkStore },
  options: CollectOptions,
): Promise<CollectResult> {
  return await withRun(hub.catalogue, options, async (run) => {
    const { now = Date.now } = options;
    // Without a grace period nobody is promised anything.
    const promised = options.graceMs > 0 ? PROMISE_AGAIN_MS : 0;
    const before = now() - options.graceMs - promised;
    const report = (phase: RunProgress['phase'], count: number) =>
      options.onProgress?.({ phase, count });
    report('packages', 0);
    const dead = await unreferencedPackages(hub.catalogue, before, run);
    if (!options.dryRun) await deletePackages(hub.catalogue, dead);
    let references = 0;
    const marked = new IdBuckets(run.folder, 'marked');
    const skip = new Set(dead.keys());
    const { packages, unreadable } = await eachReference(hub, { ...run, skip }, async (id) => {
      await marked.add(id);
      if (references++ % PROGRESS_COUNT === 0) report('mark', references);
    });
    let chunks = 0;
    const stored = new IdBuckets(run.folder, 'stored');
    for await (const id of hub.chunks.list(run)) {
      await stored.add(id);
      if (chunks++ % PROGRESS_COUNT === 0) report('list', chunks);
    }
    const sweep = new Sweep(hub, run, { now, before, dryRun: options.dryRun });
    const notes = notesByBucket(hub.catalogue);
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      throwIfAborted(run.signal);
      report('sweep', bucket);
      const { value: noted } = await notes.next();
      const part = { marked: await marked.ids(bucket), stored: await stored.ids(bucket) };
      await sweep.bucket({ ...part, notes: noted ?? new Map() });
    }
    const { garbage, deleted, kept } = sweep;
    return {
      packages,
      deletedPackages: dead.size,
      unreadablePackages: [...unreadable],
      chunks,
      garbage,
      deleted,
      kept,
      dryRun: options.dryRun,
    };
  });
}

/**
 * Packages that were saved before `before` and that no entry and no file refers to, with the times of their records. The
 * records are read first: an entry that comes to refer to one writes it anew.
 */
async function unreferencedPackages(
  catalogue: Catalogue,
  before: number,
  run: Run,
): Promise<Map<string, number>> {
  const old = new Map<string, number>();
  for await (const { parts, value } of catalogue.list(PACKAGE)) {
    throwIfAborted(run.signal);
    if (value.saved <= before) old.set(parts[0] as string, value.saved);
  }
  for await (const { value } of catalogue.list(ENTRY)) {
    throwIfAborted(run.signal);
    if (value.kind === 'flist') old.delete(value.digest);
  }
  for await (const { value } of catalogue.list(FILE)) {
    throwIfAborted(run.signal);
    old.delete(value.digest);
  }
  return old;
}

/** Takes out of `dead` what an entry has come to refer to. */
async function deletePackages(catalogue: Catalogue, dead: Map<string, number>): Promise<void> {
  for (const [digest, saved] of dead) {
    const isDeleted = await catalogue.transaction(async (transaction) => {
      const record = await transaction.get(PACKAGE, digest);
      if (record?.saved !== saved) return false;
      transaction.delete(PACKAGE, [digest]);
      return true;
    });
    if (!isDeleted) dead.delete(digest);
  }
}

interface Bucket {
  readonly marked: ReadonlySet<ChunkId>;
  readonly stored: ReadonlySet<ChunkId>;
  /** What is in it is used up. */
  readonly notes: Map<ChunkId, Garbage>;
}

/** The notes of the catalogue by the first byte of their ids, in its order, also for bytes that have none. */
async function* notesByBucket(
  catalogue: Catalogue,
): AsyncGenerator<Map<ChunkId, Garbage>, void, void> {
  let bucket = 0;
  let notes = new Map<ChunkId, Garbage>();
  for await (const { parts, value } of catalogue.list(GARBAGE)) {
    const id = parts[0] as string;
    for (; bucket < Number.parseInt(id.slice(0, 2), 16); bucket++) {
      yield notes;
      notes = new Map();
    }
    notes.set(id, value);
  }
  yield notes;
}

interface SweepOptions {
  readonly now: () => number;
  /** Notes that are older than this are acted on. */
  readonly before: number;
  readonly dryRun: boolean;
}

class Sweep {
  garbage = 0;
  deleted = 0;
  kept = 0;
  readonly #catalogue: Catalogue;
  readonly #chunks: PrunableChunkStore;
  readonly #run: Run;
  readonly #options: SweepOptions;

  constructor(
    hub: { readonly catalogue: Catalogue; readonly chunks: PrunableChunkStore },
    run: Run,
    options: SweepOptions,
  ) {
    this.#catalogue = hub.catalogue;
    this.#chunks = hub.chunks;
    this.#run = run;
    this.#options = options;
  }

  async bucket({ marked, stored, notes }: Bucket): Promise<void> {
    const { before, dryRun } = this.#options;
    const fresh: ChunkId[] = [];
    const due: ChunkId[] = [];
    for (const id of stored) {
      if (marked.has(id)) continue;
      this.garbage++;
      const note = notes.get(id);
      if (note === undefined) fresh.push(id);
      else if (this.#isDue(note, before)) due.push(id);
      notes.delete(id);
    }
    // What is left is referred to again, or gone.
    const wrong = [...notes].filter(([, note]) => this.#isFree(note)).map(([id]) => id);
    if (dryRun) {
      this.deleted += due.length;
      return;
    }
    await this.#inPages(fresh, (ids) => this.#note(ids));
    await this.#inPages(wrong, (ids) => this.#forget(ids, (note) => this.#isFree(note)));
    await this.#inPages(due, (ids) => this.#delete(ids));
  }

  #isDue(note: Garbage, before: number): boolean {
    return this.#isFree(note) && note.since <= before;
  }

  /** Not in the hands of a collector that may still live. */
  #isFree({ deleting }: Garbage): boolean {
    return deleting === undefined || deleting.until < this.#options.now();
  }

  async #inPages(
    ids: readonly ChunkId[],
    work: (ids: readonly ChunkId[]) => Promise<void>,
  ): Promise<void> {
    for (let start = 0; start < ids.length; start += NOTE_COUNT) {
      throwIfAborted(this.#run.signal);
      await work(ids.slice(start, start + NOTE_COUNT));
    }
  }

  async #note(ids: readonly ChunkId[]): Promise<void> {
    await this.#catalogue.transaction(async (transaction) => {
      await transaction.read(GARBAGE, keysOf(ids));
      for (const id of ids) {
        if ((await transaction.get(GARBAGE, id)) !== undefined) continue;
        transaction.put(GARBAGE, [id], { since: this.#options.now() });
      }
    });
  }

  async #forget(ids: readonly ChunkId[], isIt: (note: Garbage) => boolean): Promise<void> {
    await this.#catalogue.transaction(async (transaction) => {
      await transaction.read(GARBAGE, keysOf(ids));
      for (const id of ids) {
        const note = await transaction.get(GARBAGE, id);
        if (note !== undefined && isIt(note)) transaction.delete(GARBAGE, [id]);
      }
    });
  }

  async #forgetAccess(ids: readonly ChunkId[], since: ReadonlyMap<ChunkId, number>): Promise<void> {
    await this.#catalogue.transaction(async (transaction) => {
      await transaction.read(CHUNK_ACCESS, keysOf(ids));
      for (const id of ids) {
        const record = await transaction.get(CHUNK_ACCESS, id);
        if (record !== undefined && record.since === since.get(id)) {
          transaction.delete(CHUNK_ACCESS, [id]);
        }
      }
    });
  }

  async #delete(ids: readonly ChunkId[]): Promise<void> {
    const { before, now } = this.#options;
    const start = now();
    const deleting = { by: this.#run.id, until: start + LEASE_MS };
    // Who may read them goes with them, unless somebody uploads one again meanwhile.
    const access = new Map<ChunkId, number>();
    const taken = await this.#catalogue.transaction(async (transaction) => {
      const mine: ChunkId[] = [];
      access.clear();
      await transaction.read(GARBAGE, keysOf(ids));
      await transaction.read(CHUNK_ACCESS, keysOf(ids));
      for (const id of ids) {
        const note = await transaction.get(GARBAGE, id);
        if (note === undefined || !this.#isDue(note, before)) continue;
        transaction.put(GARBAGE, [id], { since: note.since, deleting });
        const record = await transaction.get(CHUNK_ACCESS, id);
        if (record !== undefined) access.set(id, record.since);
        mine.push(id);
      }
      return mine;
    });
    this.kept += ids.length - taken.length;
    const gone: ChunkId[] = [];
    const work = { concurrency: DELETE_CONCURRENCY, signal: this.#run.signal };
    await forEachParallel(taken, work, async (id) => {
      // Behind this, somebody else may take it for abandoned.
      if (now() - start > DELETE_MS) return;
      await this.#chunks.delete(id, this.#run);
      gone.push(id);
    });
    this.deleted += gone.length;
    await this.#forgetAccess(gone, access);
    await this.#forget(gone, (note) => note.deleting?.by === this.#run.id);
  }
}

function keysOf(ids: readonly ChunkId[]): string[][] {
  return ids.map((id) => [id]);
}
