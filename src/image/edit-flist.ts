/**
 * A flist that is being changed: loaded once, changed in memory, written once. What it was made by it stays:
 * a flist of zflist is written back as such, every other one as ours. Its file is locked
 * meanwhile; one that somebody replaces all the same is noticed and left alone.
 */
import { open, realpath, stat } from 'node:fs/promises';
import { G8Error, toG8Error } from '../base/errors.ts';
import { type FileLock, lockFile } from '../base/file-lock.ts';
import { dumpTree } from '../format/flist/dump.ts';
import { historicalLosses, type Loss } from '../format/flist/losses.ts';
import { formatMetadata } from '../format/flist/metadata.ts';
import type { Inode } from '../format/tree.ts';
import type { StreamBinding } from '../native/addon.ts';
import { type LoadedFlist, type LoadFlistOptions, loadFlist } from './load.ts';
import { checkOutput } from './output.ts';
import { type PackTreeOptions, packTree } from './pack.ts';
import { packSqlite } from './pack-sqlite.ts';

export type FlistKind = 'ours' | 'zflist';

export interface SavedFlist {
  readonly output: string;
  /** False when nothing was to be written: the file is as it was. */
  readonly changed: boolean;
  readonly kind: FlistKind;
  /** Bytes of the file; absent when it was not written. */
  readonly flistSize?: number;
  /** What the file cannot say of the tree. */
  readonly lost: readonly Loss[];
}

export class EditableFlist {
  root: Inode;
  metadata: Map<string, string>;
  /** Text of `router.yaml`. */
  router: string | undefined;
  readonly source: string;
  readonly kind: FlistKind;
  /** Whether it is of the generation of 2017, and becomes one of ours when it is written. */
  readonly isG1: boolean;
  readonly #loaded: LoadedFlist;
  readonly #compression: PackTreeOptions['compression'];
  readonly #version: string | undefined;
  readonly #lock: FileLock | undefined;

  private constructor(
    loaded: LoadedFlist,
    compression: PackTreeOptions['compression'],
    version: string | undefined,
    lock: FileLock | undefined,
  ) {
    this.root = loaded.root;
    this.metadata = new Map(loaded.metadata);
    this.router = loaded.router;
    this.source = loaded.source;
    this.kind = loaded.generation === 'sqlite' ? 'zflist' : 'ours';
    this.isG1 = loaded.generation === 'g1';
    this.#loaded = loaded;
    this.#compression = compression;
    this.#version = version;
    this.#lock = lock;
  }

  /**
   * Until it is closed, no other editor opens the file.
   *
   * @param options.inPlace false when another file is written: then nobody is kept out
   * @throws as {@link loadFlist} and {@link lockFile}
   */
  static async open(
    source: string,
    options: LoadFlistOptions & { readonly inPlace?: boolean },
  ): Promise<EditableFlist> {
    if (/^https?:\/\//i.test(source)) {
      return new EditableFlist(await loadFlist(source, options), 'gzip', undefined, undefined);
    }
    await versionOf(source);
    const { signal, inPlace = true } = options;
    const lock = inPlace ? await lockFile(await realpath(source), { signal }) : undefined;
    try {
      // Before it is read: a change by somebody who asks for no lock is then noticed at the end.
      const version = await versionOf(source);
      const loaded = await loadFlist(source, options);
      return new EditableFlist(loaded, await compressionOfFile(source), version, lock);
    } catch (error) {
      await lock?.release();
      throw error;
    }
  }

  /** Lets the next editor in. */
  async close(): Promise<void> {
    await this.#lock?.release();
  }

  get isChanged(): boolean {
    const { root, metadata, router } = this.#loaded;
    return (
      this.router !== router ||
      formatMetadata(this.metadata) !== formatMetadata(metadata) ||
      (this.root !== root && !isSameTree(this.root, root))
    );
  }

  /**
   * Writes the flist, or nothing when nothing has changed and it is to stay where it is.
   *
   * @param output where it goes instead of its own file
   * @throws ERR_CREATE, ERR_IO when the file was changed by somebody else, ERR_ABORTED
   */
  async save(
    output: string | undefined,
    options: { readonly streams: StreamBinding; readonly signal?: AbortSignal | undefined },
  ): Promise<SavedFlist> {
    const { kind } = this;
    const lost = kind === 'zflist' ? historicalLosses(this.root) : [];
    if (output === undefined && !this.isChanged) {
      return { output: this.source, changed: false, kind, lost };
    }
    const path = output ?? (await this.#ownPath());
    await checkOutput(path);
    const packing = {
      ...options,
      router: this.router,
      metadata: this.metadata,
      names: this.#loaded.names,
      compression: this.#compression,
    };
    if (output === undefined) await this.#checkVersion();
    const flistSize = await this.#pack(path, packing);
    return { output: path, changed: true, kind, flistSize, lost };
  }

  async #pack(path: string, packing: PackTreeOptions): Promise<number> {
    if (this.kind === 'zflist') return await packSqlite(this.root, path, packing);
    try {
      return (await packTree(this.root, path, packing)).flistSize;
    } catch (error) {
      // Moved directories can become deeper than a tree may be.
      if (!(error instanceof RangeError)) throw error;
      throw new G8Error('ERR_CREATE', error.message, { cause: error });
    }
  }

  /** A link to the flist stays one. */
  async #ownPath(): Promise<string> {
    if (this.#version === undefined) {
      throw new G8Error('ERR_USAGE', `${this.source} is no file of this machine; give an --output`);
    }
    return await realpath(this.source);
  }

  async #checkVersion(): Promise<void> {
    await this.#lock?.check();
    if ((await versionOf(this.source)) === this.#version) return;
    throw new G8Error('ERR_IO', `${this.source} was changed by somebody else; nothing is written`);
  }
}

function isSameTree(a: Inode, b: Inode): boolean {
  const others = dumpTree(b);
  for (const line of dumpTree(a)) if (others.next().value !== line) return false;
  return others.next().done === true;
}

async function versionOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${path} cannot be opened`);
  }
}

async function compressionOfFile(path: string): Promise<PackTreeOptions['compression']> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const magic = buffer.toString('hex');
    if (magic.startsWith('1f8b')) return 'gzip';
    // The first frame may be a skippable one.
    return /^(28b52ffd|5.2a4d18)/.test(magic) ? 'zstd' : 'none';
  } finally {
    await file.close();
  }
}
