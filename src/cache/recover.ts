/**
 * What a crash of the machine leaves, and how it is sorted out without delaying the next mount.
 *
 * After a power loss a sealed file may hold zeros that were never written. So the whole `files/`
 * folder is set aside with one rename, before anybody opens anything in it; files come back one by
 * one, when they are asked for or in the background: durable ones as they are, others after they
 * have been verified. After a crash of the process alone nothing of that is needed: the page cache
 * has survived.
 *
 * Concurrency: {@link Recovery.adopt} runs under the content's lock; one background run per open.
 */
import { randomUUID } from 'node:crypto';
import { open, opendir, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromHex, toHex } from '../base/bytes.ts';
import type { DigestAlgorithm } from '../base/codec.ts';
import { makeFolder } from '../base/make-folder.ts';
import { countBits } from './bitmap.ts';
import { type CacheLayout, contentPath } from './layout.ts';
import type { CacheParts } from './parts.ts';
import type { ContentRecord } from './records.ts';
import { findStats, isErrno, isSealed, seal } from './seal.ts';

export const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id';

/** Identity of this boot of the machine; empty when the kernel does not tell, which equals no boot. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile(BOOT_ID_PATH, 'latin1')).trim();
  } catch {
    return '';
  }
}

/** Moves a file to its place below `files/`, creating folders as needed. */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    await makeFolder(dirname(to));
    await rename(from, to);
  }
}

/** Sets the `tmp` folder's contents aside to be deleted later; at once, whatever is in it. */
export async function emptyTmp(layout: CacheLayout): Promise<void> {
  await rename(layout.tmp, join(layout.trash, randomUUID()));
  // Another process that wants this cache may have made it meanwhile, before it asks for the lock.
  await makeFolder(layout.tmp);
}

/** Sets all complete files aside. */
export async function setFilesAside(layout: CacheLayout): Promise<void> {
  await rename(layout.files, join(layout.quarantine, randomUUID()));
  await makeFolder(layout.files);
}

export class Recovery {
  readonly #parts: CacheParts;
  /** Set-aside folders, one for each power loss; a content is in one of them at most. */
  #folders: string[];

  private constructor(parts: CacheParts, folders: string[]) {
    this.#parts = parts;
    this.#folders = folders;
  }

  static async open(parts: CacheParts): Promise<Recovery> {
    const { quarantine } = parts.layout;
    const names = await readdir(quarantine);
    return new Recovery(
      parts,
      names.map((name) => join(quarantine, name)),
    );
  }

  /** Whether files are still set aside. */
  get active(): boolean {
    return this.#folders.length > 0;
  }

  /**
   * Brings a set-aside file back if it is good.
   *
   * @param record what the state knows; without it the file is verified
   * @param rows plain digests of the content
   * @returns whether the complete file is in its place now
   */
  async adopt(
    digest: Uint8Array,
    shape: Pick<ContentRecord, 'size' | 'blockSize' | 'algorithm'> & { readonly durable: boolean },
    rows: () => Promise<Uint8Array>,
  ): Promise<boolean> {
    const key = toHex(digest);
    for (const folder of this.#folders) {
      try {
        if (await this.#adoptFile(join(folder, contentPath(key)), key, shape, rows)) return true;
      } catch (error) {
        // What the state does not know goes to the trash, when all else is sorted out: perhaps in between.
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
    return false;
  }

  async #adoptFile(
    path: string,
    key: string,
    shape: Parameters<Recovery['adopt']>[1],
    rows: () => Promise<Uint8Array>,
  ): Promise<boolean> {
    const { layout, counters } = this.#parts;
    const stats = await findStats(path);
    if (stats === undefined) return false;
    const isTrusted = shape.durable && isSealed(stats, shape.size);
    if (isTrusted || (await verifyAndSeal(this.#parts, path, shape, await rows()))) {
      await moveIntoPlace(path, layout.filePath(key));
      return true;
    }
    counters.rejectedFiles++;
    await unlink(path);
    return false;
  }

  /** Deletes a content's set-aside files. */
  async discard(key: string): Promise<void> {
    for (const folder of this.#folders) await rm(join(folder, contentPath(key)), { force: true });
  }

  /**
   * Sorts out all that is set aside, then deletes the rest, the trash and, after a crash, partial
   * files that nobody knows.
   */
  async run(options: { readonly crashed: boolean; readonly signal: AbortSignal }): Promise<void> {
    const { layout } = this.#parts;
    if (this.active) {
      await this.#adoptAll(options.signal);
      if (options.signal.aborted) return;
      const folders = this.#folders;
      this.#folders = [];
      for (const folder of folders) await rename(folder, join(layout.trash, randomUUID()));
    }
    if (options.crashed) await this.#removeOrphans(options.signal);
    for (const name of await readdir(layout.trash)) {
      if (options.signal.aborted) return;
      await rm(join(layout.trash, name), { recursive: true, force: true });
    }
  }

  async #adoptAll(signal: AbortSignal): Promise<void> {
    const { catalog, layout, lock } = this.#parts;
    for await (const { digest } of catalog.records()) {
      if (signal.aborted) return;
      const key = toHex(digest);
      await lock.run(key, async () => {
        const record = await catalog.find(digest);
        if (record?.complete !== true) return;
        if ((await findStats(layout.filePath(key))) !== undefined) return;
        const rows = (): Promise<Uint8Array> => catalog.getRows(digest, record);
        if (await this.adopt(digest, record, rows)) {
          // What was read after the reboot came from the disk.
          await catalog.update(digest, (now) => now && { ...now, durable: true });
        } else if ((await findStats(layout.partialPath(key))) === undefined) {
          await catalog.remove(digest);
        }
      });
    }
  }

  // Partial files of contents that the state lost, or that are in place already.
  async #removeOrphans(signal: AbortSignal): Promise<void> {
    const { catalog, layout, lock, partials } = this.#parts;
    for await (const { name } of await opendir(layout.partial)) {
      if (signal.aborted) return;
      const digest = fromHex(name);
      if (digest?.length !== 32) continue;
      await lock.run(name, async () => {
        if (partials.find(name) !== undefined) return;
        const record = await catalog.find(digest);
        const isPartial = record !== undefined && !record.complete;
        const isElsewhere = (await findStats(layout.filePath(name))) !== undefined;
        if (isPartial || (record !== undefined && !isElsewhere)) return;
        await rm(layout.partialPath(name), { force: true });
      });
    }
  }
}

/** Verifies a whole content file and seals it; false when any byte is wrong. */
export async function verifyAndSeal(
  parts: Pick<CacheParts, 'addon'>,
  path: string,
  shape: Pick<ContentRecord, 'size' | 'blockSize' | 'algorithm'>,
  plainDigests: Uint8Array,
): Promise<boolean> {
  const { size, blockSize } = shape;
  const count = Math.ceil(size / blockSize);
  await using file = await open(path, 'r');
  const stats = await file.stat({ bigint: true });
  if (!stats.isFile() || stats.size !== BigInt(size)) return false;
  const algorithm = shape.algorithm as DigestAlgorithm;
  const request = { fd: file.fd, size, blockSize, algorithm, plainDigests };
  const matches = await parts.addon.verifyFile(request);
  if (countBits(matches, count) !== count) return false;
  await seal(file);
  return true;
}
