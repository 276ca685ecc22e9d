/**
 * Contents being filled, and their open files. Descriptors of idle files are closed beyond a limit
 * and opened again when needed; a file that was replaced meanwhile is refused, because whoever
 * serves the content holds the old one.
 *
 * Concurrency: for one event loop. A file stays open while its content has users.
 */
import { constants } from 'node:fs';
import { chmod, type FileHandle, open } from 'node:fs/promises';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { PartialContent } from './content.ts';
import type { CacheLayout } from './layout.ts';
import { isErrno, SEALED_MODE } from './seal.ts';

/** Open files of contents that nobody works on: a quarter of the usual limit of 1024 descriptors. */
const IDLE_HANDLE_COUNT_MAX = 256;

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
/** Of a partial file that is opened a second time by somebody who is not root. */
const WRITABLE_MODE = 0o600;

interface Slot {
  handle: FileHandle | undefined;
  opening: Promise<FileHandle> | undefined;
  /** Inode number once the file was opened. */
  ino: bigint | undefined;
  /** The file held something when it was first opened. */
  existed: boolean;
}

export class Partials {
  readonly #layout: CacheLayout;
  readonly #contents = new Map<string, PartialContent>();
  readonly #slots = new Map<PartialContent, Slot>();
  /** Idle contents with an open file, the longest idle first. */
  readonly #idle = new Set<PartialContent>();

  constructor(layout: CacheLayout) {
    this.#layout = layout;
  }

  get count(): number {
    return this.#contents.size;
  }

  get handleCount(): number {
    let count = 0;
    for (const slot of this.#slots.values()) if (slot.handle !== undefined) count++;
    return count;
  }

  find(key: string): PartialContent | undefined {
    return this.#contents.get(key);
  }

  add(content: PartialContent): void {
    this.#contents.set(content.key, content);
  }

  /** The oldest first. */
  all(): IterableIterator<PartialContent> {
    return this.#contents.values();
  }

  /** Keeps a content's file open until {@link release}. */
  retain(content: PartialContent): void {
    content.users++;
    this.#idle.delete(content);
  }

  release(content: PartialContent): void {
    content.users--;
    if (content.users > 0) return;
    if (content.gone) {
      void this.#closeForGood(content).catch(() => {});
      return;
    }
    if (this.#slots.get(content)?.handle === undefined) return;
    this.#idle.add(content);
    if (this.#idle.size <= IDLE_HANDLE_COUNT_MAX) return;
    for (const oldest of this.#idle) {
      this.#idle.delete(oldest);
      // Nothing was written that a close could lose: verified blocks survive it in the page cache.
      void this.#closeHandle(oldest).catch(() => {});
      break;
    }
  }

  /**
   * The content's file, open for reading and writing; created when it is not there.
   *
   * @throws ERR_CACHE_FULL, ERR_IO
   */
  async open(content: PartialContent): Promise<FileHandle> {
    if (content.gone) throw goneError(content);
    let slot = this.#slots.get(content);
    if (slot === undefined) {
      slot = { handle: undefined, opening: undefined, ino: undefined, existed: false };
      this.#slots.set(content, slot);
    }
    if (slot.handle !== undefined) return slot.handle;
    const current = slot;
    current.opening ??= this.#openFile(content, current).finally(() => {
      current.opening = undefined;
    });
    return await current.opening;
  }

  /** Whether the file held something before this process opened it. */
  existed(content: PartialContent): boolean {
    return this.#slots.get(content)?.existed === true;
  }

  /** Forgets a content and closes its file, or lets the last of its users do so. They find it gone. */
  async remove(content: PartialContent): Promise<void> {
    content.gone = true;
    if (this.#contents.get(content.key) === content) this.#contents.delete(content.key);
    this.#idle.delete(content);
    // Its number may be another file's as soon as it is closed, and one that is being written to is known by that.
    if (content.users === 0) await this.#closeForGood(content);
  }

  async #closeForGood(content: PartialContent): Promise<void> {
    await this.#slots.get(content)?.opening?.catch(() => {});
    try {
      await this.#closeHandle(content);
    } finally {
      this.#slots.delete(content);
    }
  }

  async #openFile(content: PartialContent, slot: Slot): Promise<FileHandle> {
    const path = this.#layout.partialPath(content.key);
    const flags = O_RDWR | O_NOFOLLOW | (slot.ino === undefined ? O_CREAT : 0);
    let handle: FileHandle | undefined;
    try {
      handle = await openWritable(path, flags);
      const stats = await handle.stat({ bigint: true });
      if (slot.ino !== undefined && slot.ino !== stats.ino) throw goneError(content);
      if (slot.ino === undefined) slot.existed = stats.size > 0n;
      slot.ino = stats.ino;
      if (stats.size !== BigInt(content.size)) await handle.truncate(content.size);
    } catch (error) {
      await handle?.close();
      if (isErrno(error, 'ENOENT')) throw goneError(content);
      const failure = toG8Error(error, 'ERR_IO', `Cannot open the partial file of ${content.key}`);
      if (failure.code === 'ERR_CACHE_FULL') throw failure;
      // Whatever it is, it is this machine's failure, not a wrong name or right of the user.
      throw new G8Error('ERR_IO', failure.message, { cause: error });
    }
    slot.handle = handle;
    return handle;
  }

  async #closeHandle(content: PartialContent): Promise<void> {
    const slot = this.#slots.get(content);
    const handle = slot?.handle;
    if (slot === undefined || handle === undefined) return;
    slot.handle = undefined;
    await handle.close();
  }
}

async function openWritable(path: string, flags: number): Promise<FileHandle> {
  try {
    // Read-only for everybody but this descriptor, so that sealing need not change it.
    return await open(path, flags, SEALED_MODE);
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    // Only root may open it for writing again without this.
    await chmod(path, WRITABLE_MODE);
    return await open(path, flags, SEALED_MODE);
  }
}

function goneError(content: PartialContent): G8Error {
  return new G8Error('ERR_IO', `The partial file of ${content.key} was removed while in use`);
}
