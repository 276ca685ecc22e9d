/**
 * Writes a tree to disk: every type, owner, attribute and time, holes as holes, every chunk verified. It
 * appears under its name when it is complete; what was there before stays until then.
 *
 * Works on several files and chunks at the same time. For one event loop; the native calls run on libuv's
 * pool and follow no symlink below the target's folder.
 */
import { randomBytes } from 'node:crypto';
import { close } from 'node:fs';
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { linkSignals, throwIfAborted } from '../base/abort.ts';
import { CODEC } from '../base/codec.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { forEachParallel } from '../base/workers.ts';
import type { Content } from '../format/content.ts';
import { chunkCountOf } from '../format/index/content-digest.ts';
import type { Inode } from '../format/tree.ts';
import type { CodecBinding, RestoreBinding } from '../native/addon.ts';
import type { ChunkStore } from '../store/store.ts';
import { readChunk } from './read.ts';
import { allowedAttributes, isRestorable, type Privileges } from './restore-attributes.ts';
import { planRestore, type RestorePlan, type RestoreStep } from './restore-plan.ts';

const closeDescriptor = promisify(close);

/** Chunks in progress: hides a network's latency and stays below 64 MiB of the largest chunks. */
const CHUNKS_MAX = 16;
/** Small calls: libuv's pool has four threads, twice that keeps it busy. */
const CALLS_MAX = 8;

/** What has been done so far; the numbers change while the call runs. */
export interface RestoreProgress {
  entries: number;
  entriesTotal: number;
  /** Bytes of regular files, holes included. */
  bytes: number;
  bytesTotal: number;
}

/** What could not be made without the rights for it. */
export interface RestoreSkipped {
  /** Entries whose owner is somebody else in the image. */
  owners: number;
  /** Attributes. */
  xattrs: number;
  /** Devices. */
  devices: number;
}

export interface RestoreOptions {
  readonly store: ChunkStore;
  readonly addon: CodecBinding & RestoreBinding;
  /** Default what the effective user may do: everything for root. */
  readonly privileges?: Privileges | undefined;
  readonly progress?: RestoreProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RestoreSummary extends RestoreProgress {
  readonly skipped: RestoreSkipped;
}

export function restoreProgress(): RestoreProgress {
  return { entries: 0, entriesTotal: 0, bytes: 0, bytesTotal: 0 };
}

/**
 * Writes a tree, or a single file, to a path where nothing is yet, or an empty folder.
 *
 * @param root directory, or inode of another type, with all below it
 * @throws ERR_CREATE when something is in the way or the folder of `target` is missing; ERR_CHUNK_MISSING,
 *   ERR_CHUNK_CORRUPT; what the store throws; ERR_ABORTED. Nothing is left behind then.
 */
export async function restoreTree(
  root: Inode,
  target: string,
  options: RestoreOptions,
): Promise<RestoreSummary> {
  const path = resolve(target);
  await checkRestoreTarget(path, root);
  const folder = dirname(path);
  const name = `.${basename(path).slice(0, 200)}.${randomBytes(6).toString('hex')}.tmp`;
  // Many calls listen at the same time; this signal is made for that.
  const { signal, unlink } = linkSignals(options.signal);
  try {
    const restore = new Restore(folder, { ...options, signal });
    const summary = await restore.run(root, Buffer.from(name));
    await rename(join(folder, name), path);
    return summary;
  } catch (error) {
    await rm(join(folder, name), { recursive: true, force: true });
    throw error instanceof RangeError
      ? error
      : toG8Error(error, 'ERR_CREATE', `${target} cannot be written`);
  } finally {
    unlink();
  }
}

/**
 * Says before the work what would otherwise fail after it.
 *
 * @throws ERR_CREATE when the tree cannot be made at `target`
 */
export async function checkRestoreTarget(target: string, root: Inode): Promise<void> {
  const path = resolve(target);
  const folder = await lstat(dirname(path)).catch((error: unknown) => {
    throw new G8Error('ERR_CREATE', `The folder of ${path} is not there`, { cause: error });
  });
  if (folder.isFile()) throw new G8Error('ERR_CREATE', `${dirname(path)} is not a folder`);
  const present = await lstat(path).catch(() => undefined);
  if (present === undefined) return;
  if (!present.isDirectory() || root.entries === undefined) {
    throw new G8Error('ERR_CREATE', `${path} is there already`);
  }
  if ((await readdir(path)).length > 0) throw new G8Error('ERR_CREATE', `${path} is not empty`);
}

class Restore {
  readonly #folder: string;
  readonly #options: RestoreOptions;
  readonly #privileges: Privileges;
  readonly #progress: RestoreProgress;
  readonly #skipped: RestoreSkipped = { owners: 0, xattrs: 0, devices: 0 };

  constructor(folder: string, options: RestoreOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#privileges = options.privileges ?? { uid: process.geteuid?.() ?? 0 };
    this.#progress = options.progress ?? restoreProgress();
  }

  async run(root: Inode, name: Uint8Array): Promise<RestoreSummary> {
    const plan = planRestore(root, name);
    this.#progress.entriesTotal = plan.entryCount;
    this.#progress.bytesTotal = plan.fileBytes;
    // Parents first, then what is in them, then what names it again.
    for (const level of plan.levels) await this.#each(level, (step) => this.#makeEntry(step));
    await this.#each(plan.others, async (step) => {
      if (await this.#makeEntry(step)) await this.#setAttributes(step);
    });
    await this.#writeFiles(plan);
    await this.#each(plan.links, async ({ path, existing, inode }) => {
      if (!this.#mayMake(inode)) return;
      await this.#options.addon.restoreLink(this.#folder, existing, path);
      this.#progress.entries++;
    });
    // A folder's time changes with its entries, and its mode may forbid to reach them.
    for (const level of plan.levels.toReversed()) {
      await this.#each(level, (step) => this.#setAttributes(step));
    }
    return { ...this.#progress, skipped: this.#skipped };
  }

  async #each<T>(items: readonly T[], task: (item: T) => Promise<unknown>): Promise<void> {
    const work = { concurrency: CALLS_MAX, signal: this.#options.signal };
    await forEachParallel(items, work, async (item) => {
      await task(item);
    });
  }

  /** @returns whether it was made */
  async #makeEntry({ path, inode }: RestoreStep): Promise<boolean> {
    if (!this.#mayMake(inode)) {
      this.#skipped.devices++;
      return false;
    }
    const { mode, target, rdevMajor, rdevMinor } = inode;
    const entry = { mode, target, rdevMajor, rdevMinor };
    await this.#options.addon.restoreEntry(this.#folder, path, entry);
    this.#progress.entries++;
    return true;
  }

  #mayMake(inode: Inode): boolean {
    return isRestorable(inode, this.#privileges);
  }

  async #setAttributes({ path, inode }: RestoreStep): Promise<void> {
    const { attributes, skippedXattrs, skippedOwner } = allowedAttributes(inode, this.#privileges);
    this.#skipped.xattrs += skippedXattrs;
    if (skippedOwner) this.#skipped.owners++;
    await this.#options.addon.restoreAttributes(this.#folder, path, attributes);
  }

  async #writeFiles({ files }: RestorePlan): Promise<void> {
    const work = { concurrency: CHUNKS_MAX, signal: this.#options.signal };
    const open = new Set<OpenFile>();
    const made = (step: RestoreStep): OpenFile => {
      const file = new OpenFile(step, () =>
        this.#options.addon.restoreFile(this.#folder, step.path, step.inode.size),
      );
      open.add(file);
      return file;
    };
    try {
      await forEachParallel(chunkTasks(files, made), work, async ({ file, index }) => {
        if (!(await this.#writeChunk(file, index))) return;
        open.delete(file);
        await file.close();
        await this.#setAttributes(file.step);
        this.#progress.entries++;
      });
    } finally {
      await Promise.all([...open].map((file) => file.close()));
    }
  }

  /** @returns whether it was the last one that the file lacked */
  async #writeChunk(file: OpenFile, index: number): Promise<boolean> {
    const { store, addon: codec, signal } = this.#options;
    const fd = await file.descriptor();
    const { content } = file.step.inode;
    if (content !== undefined) {
      const offset = index * content.blockSize;
      const size = Math.min(content.blockSize, content.size - offset);
      const chunk = content.chunks[index];
      // The file is all holes from the beginning.
      if (chunk?.codec !== CODEC.hole) {
        const bytes = await readChunk(chunk, size, { store, codec }, signal);
        throwIfAborted(signal);
        await this.#options.addon.writeSparse(fd, offset, bytes);
      }
      this.#progress.bytes += size;
    }
    return file.finishOne();
  }
}

/** A file that is being written, by as many tasks as it has chunks. */
class OpenFile {
  readonly step: RestoreStep;
  readonly #make: () => Promise<number>;
  #descriptor: Promise<number> | undefined;
  #left: number;

  constructor(step: RestoreStep, make: () => Promise<number>) {
    this.step = step;
    this.#make = make;
    this.#left = taskCount(step.inode.content);
  }

  descriptor(): Promise<number> {
    this.#descriptor ??= this.#make();
    return this.#descriptor;
  }

  /** @returns whether nothing is left */
  finishOne(): boolean {
    return --this.#left === 0;
  }

  async close(): Promise<void> {
    const descriptor = this.#descriptor;
    // One that could not be opened has been reported by whoever wanted it.
    const fd = await descriptor?.catch(() => undefined);
    if (fd !== undefined) await closeDescriptor(fd);
  }
}

// An empty file has one task too: making it.
function taskCount(content: Content | undefined): number {
  return content === undefined ? 1 : chunkCountOf(content);
}

function* chunkTasks(
  steps: readonly RestoreStep[],
  open: (step: RestoreStep) => OpenFile,
): Generator<{ file: OpenFile; index: number }> {
  for (const step of steps) {
    const file = open(step);
    const count = taskCount(step.inode.content);
    for (let index = 0; index < count; index++) yield { file, index };
  }
}
