/**
 * The hub's flists as files: `<root>/<repository>/<name>.flist`.
 *
 * A flist appears by rename, complete or not at all; readers of the old file keep it until they close.
 * Names given here are valid already (`names.ts`).
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { gunzip, constants as zlibConstants } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { blake2b256Stream } from '../base/blake2b.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { FlistEntry, FlistReceipt } from '../store/hub-protocol.ts';
import { flistFile, isRepositoryName, parseFlistName } from './names.ts';

export interface OpenFlist {
  readonly handle: FileHandle;
  readonly size: number;
  readonly modified: Date;
  /** Hex. */
  readonly md5: string;
}

/** Texts that lie beside a flist, by their suffix: its signatures, its start profile. */
export const BESIDE_KINDS = ['sig', 'profile'] as const;
export type BesideKind = (typeof BESIDE_KINDS)[number];

/** Digests of this many flists are remembered, about 200 bytes each. */
const MD5_COUNT_MAX = 10_000;
const PIECE_SIZE = 256 * 1024;
// Enough to unpack the first tar header, however badly it packs.
const HEAD_SIZE = 64 * 1024;
const TAR_BLOCK_SIZE = 512;
const TAR_MAGIC_OFFSET = 257;

export class Catalog {
  readonly #root: string;
  readonly #temporary: string;
  // By device, inode, size and time: a file that is replaced or changed has another key.
  readonly #md5s = new LRUCache<string, string>({ max: MD5_COUNT_MAX });

  constructor(options: { root: string; temporary: string }) {
    this.#root = options.root;
    this.#temporary = options.temporary;
  }

  /**
   * Stores what `source` gives.
   *
   * @throws ERR_FLIST_FORMAT when it is no gzip, zstd or plain tar; `tooLarge()` above `sizeMax` bytes
   */
  async save(
    repository: string,
    name: string,
    source: AsyncIterable<Uint8Array>,
    limit: { sizeMax: number; tooLarge: () => Error },
  ): Promise<{ receipt: FlistReceipt; created: boolean }> {
    const temporary = join(this.#temporary, `flist.${randomBytes(9).toString('hex')}`);
    const path = this.#path(repository, name);
    try {
      const written = await writeFlist(temporary, source, limit);
      await makeFolder(join(this.#root, repository));
      const created = (await stat(path).catch(() => undefined)) === undefined;
      await this.#dropSignature(repository, name, written.md5);
      await rename(temporary, path);
      return { receipt: { repository, name: flistFile(name), ...written }, created };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Opens a flist; `undefined` when it does not exist. Whoever gets it closes the handle. */
  async open(repository: string, name: string): Promise<OpenFlist | undefined> {
    let handle: FileHandle;
    try {
      // O_NONBLOCK: a FIFO in the directory must not make the hub wait.
      handle = await open(this.#path(repository, name), constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
    try {
      const info = await handle.stat({ bigint: true });
      if (!info.isFile()) {
        await handle.close();
        return undefined;
      }
      const key = `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}`;
      const md5 = this.#md5s.get(key) ?? (await md5Of(handle));
      this.#md5s.set(key, md5);
      return { handle, size: Number(info.size), modified: info.mtime, md5 };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Keeps a text beside a flist. @returns whether there is such a flist */
  async saveBeside(
    kind: BesideKind,
    repository: string,
    name: string,
    text: string,
  ): Promise<boolean> {
    const flist = await stat(this.#path(repository, name)).catch(() => undefined);
    if (!flist?.isFile()) return false;
    const temporary = join(this.#temporary, `${kind}.${randomBytes(9).toString('hex')}`);
    try {
      await writeFile(temporary, text, { flag: 'wx', mode: 0o644, flush: true });
      await rename(temporary, this.#besidePath(kind, repository, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return true;
  }

  /** A text beside a flist; `undefined` when it has none. */
  async beside(kind: BesideKind, repository: string, name: string): Promise<string | undefined> {
    try {
      return await readFile(this.#besidePath(kind, repository, name), 'latin1');
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Whether there was one. What lies beside it goes with it. */
  async delete(repository: string, name: string): Promise<boolean> {
    try {
      await unlink(this.#path(repository, name));
      for (const kind of BESIDE_KINDS) {
        await rm(this.#besidePath(kind, repository, name), { force: true });
      }
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  /** `countMax` entries behind `after` (`<repository>/<name>`), sorted, and whether there are more. */
  async list(
    after: string | undefined,
    countMax: number,
  ): Promise<{ entries: FlistEntry[]; next: string | undefined }> {
    const entries: FlistEntry[] = [];
    for (const repository of await namesOf(this.#root)) {
      if (!isRepositoryName(repository) || isBefore(repository, after)) continue;
      for (const file of await namesOf(join(this.#root, repository))) {
        if (!file.endsWith('.flist') || parseFlistName(file) === undefined) continue;
        if (after !== undefined && !isBehind(repository, file, after)) continue;
        if (entries.length === countMax) {
          const last = entries[countMax - 1] as FlistEntry;
          return { entries, next: `${last.repository}/${last.name}` };
        }
        const info = await stat(join(this.#root, repository, file)).catch(() => undefined);
        if (!info?.isFile()) continue; // Deleted since, a directory, or a link to nowhere.
        const updated = info.mtime.toISOString();
        entries.push({ repository, name: file, size: info.size, updated });
      }
    }
    return { entries, next: undefined };
  }

  /** Signatures are of one flist: those of the one that is to be replaced are not of the next. */
  async #dropSignature(repository: string, name: string, nextMd5: string): Promise<void> {
    const signature = this.#besidePath('sig', repository, name);
    if ((await stat(signature).catch(() => undefined)) === undefined) return;
    const present = await this.open(repository, name);
    await present?.handle.close();
    if (present?.md5 !== nextMd5) await rm(signature, { force: true });
  }

  #besidePath(kind: BesideKind, repository: string, name: string): string {
    return `${this.#path(repository, name)}.${kind}`;
  }

  #path(repository: string, name: string): string {
    return join(this.#root, repository, flistFile(name));
  }
}

async function writeFlist(
  path: string,
  source: AsyncIterable<Uint8Array>,
  limit: { sizeMax: number; tooLarge: () => Error },
): Promise<{ size: number; md5: string; digest: string }> {
  const md5 = createHash('md5');
  const digest = blake2b256Stream();
  const head = Buffer.alloc(HEAD_SIZE);
  let size = 0;
  let isChecked = false;
  const handle = await open(path, 'wx', 0o644);
  try {
    for await (const piece of source) {
      head.set(piece.subarray(0, Math.max(0, HEAD_SIZE - size)), Math.min(size, HEAD_SIZE));
      size += piece.length;
      if (size > limit.sizeMax) throw limit.tooLarge();
      if (!isChecked && size >= HEAD_SIZE) {
        await assertPackage(head);
        isChecked = true;
      }
      md5.update(piece);
      digest.update(piece);
      await handle.writeFile(piece);
    }
    if (!isChecked) await assertPackage(head.subarray(0, size));
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { size, md5: md5.digest('hex'), digest: toHex(digest.digest()) };
}

/** Looks at a package's first bytes (docs/format.md, section 2). @throws ERR_FLIST_FORMAT */
async function assertPackage(head: Buffer): Promise<void> {
  if (head.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) return; // zstd
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const plain = isGzip ? await unpackHead(head) : head;
  const magic = plain.toString('latin1', TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5);
  if (plain.length < TAR_BLOCK_SIZE || magic !== 'ustar') {
    throw new G8Error('ERR_FLIST_FORMAT', 'The body is no tar, plain or packed by gzip or zstd');
  }
}

async function unpackHead(head: Buffer): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    // 64 KiB of gzip unpack to 64 MiB at most, which bounds this without a limit of its own.
    gunzip(head, { finishFlush: zlibConstants.Z_SYNC_FLUSH }, (error, plain) => {
      if (error === null) resolve(plain);
      else reject(new G8Error('ERR_FLIST_FORMAT', 'The body is broken gzip', { cause: error }));
    });
  });
}

async function md5Of(handle: FileHandle): Promise<string> {
  const md5 = createHash('md5');
  const stream = handle.createReadStream({
    start: 0,
    autoClose: false,
    highWaterMark: PIECE_SIZE,
  });
  for await (const piece of stream) md5.update(piece);
  return md5.digest('hex');
}

async function namesOf(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isBefore(repository: string, after: string | undefined): boolean {
  return after !== undefined && repository < (after.split('/')[0] as string);
}

function isBehind(repository: string, file: string, after: string): boolean {
  const [afterRepository = '', afterFile = ''] = after.split('/');
  return repository > afterRepository || (repository === afterRepository && file > afterFile);
}

function isAbsent(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
