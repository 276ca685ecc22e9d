/**
 * The images a node knows: finds the mount index of a flist, fetching and unpacking it on first use.
 *
 *   <cache>/flists/<digest>/            mount.erofs, mount.contents, mount.chunks, router.yaml, image.sig
 *   <cache>/flists/sources/<key>.json   what a path or URL was when it was last looked at
 *
 * A flist that was seen before and has not changed costs two small file reads, whatever its size. One
 * owner per cache, so calls are coordinated in memory only.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { PAGE_SIZE } from '../image/file-source.ts';
import { INDEX_FILES, ROUTER_FILE } from '../image/index-files.ts';
import { addon } from '../native/load.ts';

/** Unpacked indexes of images nobody mounts are kept up to this size, least recently used first out. */
const UNUSED_SIZE_MAX = 4 * 1024 * 1024 * 1024;

/** Room that is made for an index which does not fit: that of an image with 200 000 entries, or so. */
const INDEX_ROOM_BYTES = 64 * 1024 * 1024;

/** A mount follows the opening of its image within this time. */
const RECENT_MS = 600_000;

/** A command that says what it will mount does so within a fraction of this. */
const EXPECTED_MS = 2_000;
const EXPECTED_MAX = 64;

export interface Image {
  /** BLAKE2b-256 of the packed flist, in hex. */
  readonly digest: string;
  /** Folder with the mount index. */
  readonly dir: string;
  /** Text of the package's `router.yaml`. */
  readonly router: string | undefined;
}

/** What is remembered of a source, so that an unchanged one need not be read again. */
interface SourceRecord {
  readonly source: string;
  /** Local: device, inode, size and times. Remote: the entity tag. */
  readonly fingerprint: string;
  readonly digest: string;
}

/** Fetches a remote flist. `undefined`: it is still the one with this entity tag. */
export type FetchFlist = (
  url: string,
  options: { etag: string | undefined; path: string; signal: AbortSignal },
) => Promise<{ etag: string } | undefined>;

export class ImageStore {
  readonly #dir: string;
  readonly #tmp: string;
  readonly #fetchFlist: FetchFlist;
  readonly #onStale: (url: string, error: G8Error) => void;
  readonly #makeRoom: (bytes: number) => Promise<number>;
  readonly #opening = new Map<string, Promise<Image>>();
  readonly #expected = new Map<string, Promise<Image>>();

  /**
   * @param options.onStale told when a hub is away and the image of its last answer is used
   * @param options.makeRoom frees room on the disk when an index does not fit; gives the bytes freed
   */
  constructor(options: {
    dir: string;
    tmp: string;
    fetchFlist: FetchFlist;
    onStale?: (url: string, error: G8Error) => void;
    makeRoom?: (bytes: number) => Promise<number>;
  }) {
    this.#dir = options.dir;
    this.#tmp = options.tmp;
    this.#fetchFlist = options.fetchFlist;
    this.#makeRoom = options.makeRoom ?? (() => Promise.resolve(0));
    this.#onStale = options.onStale ?? (() => {});
  }

  /**
   * @param source absolute path of a flist file, or its http(s) URL
   * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_STORE_UNAVAILABLE (a URL never seen before), ERR_IO
   */
  open(source: string, signal: AbortSignal): Promise<Image> {
    const expected = this.#expected.get(source);
    this.#expected.delete(source);
    return expected ?? this.#openOnce(source, signal);
  }

  /**
   * Opens an image that somebody will ask for in a moment: whoever opens it next gets what comes of that, if it is soon. A
   * failure shows only there.
   *
   * @returns when it is open, or cannot be opened
   */
  async expect(source: string, signal: AbortSignal): Promise<void> {
    if (this.#expected.size >= EXPECTED_MAX) return;
    const image = this.#openOnce(source, signal);
    this.#expected.set(source, image);
    const forget = (): void => {
      if (this.#expected.get(source) === image) this.#expected.delete(source);
    };
    setTimeout(forget, EXPECTED_MS).unref();
    await image.catch(() => {});
  }

  #openOnce(source: string, signal: AbortSignal): Promise<Image> {
    let opening = this.#opening.get(source);
    if (opening === undefined) {
      opening = this.#open(source, signal).finally(() => this.#opening.delete(source));
      this.#opening.set(source, opening);
    }
    return opening;
  }

  /** The image of a mount that lives already. @throws ERR_NO_INPUT when its index is gone; ERR_IO */
  async reopen(digest: string): Promise<Image> {
    const image = await this.#find(digest);
    if (image !== undefined) {
      await readBeginnings(image.dir);
      return image;
    }
    throw new G8Error('ERR_NO_INPUT', `The index of the image ${digest} is gone`);
  }

  async #open(source: string, signal: AbortSignal): Promise<Image> {
    await makeFolder(join(this.#dir, 'sources'));
    const known = await this.#recall(source);
    return /^https?:\/\//.test(source)
      ? this.#openRemote(source, known, signal)
      : this.#openLocal(source, known, signal);
  }

  async #openLocal(
    path: string,
    known: SourceRecord | undefined,
    signal: AbortSignal,
  ): Promise<Image> {
    const fingerprint = await fingerprintOf(path);
    if (known?.fingerprint === fingerprint) {
      const image = await this.#load(known.digest);
      if (image !== undefined) return image;
    }
    const check = async (): Promise<void> => {
      if ((await fingerprintOf(path)) === fingerprint) return;
      throw new G8Error('ERR_IO', `${path} was changed while it was read`);
    };
    const image = await this.#takeLocal(path, signal, check);
    await this.#remember({ source: path, fingerprint, digest: image.digest });
    return image;
  }

  /** A bundle is known by the flist in it. */
  async #takeLocal(path: string, signal: AbortSignal, check: () => Promise<void>): Promise<Image> {
    const { extractFlist, withBundle } = await import('../image/bundle.ts');
    const extracted = join(this.#tmp, `${randomUUID()}.flist`);
    try {
      const image = await withBundle(path, async (bundle) => {
        await extractFlist(bundle, extracted, signal);
        return await this.#take(extracted, signal, check);
      });
      return image ?? (await this.#take(path, signal, check));
    } finally {
      await rm(extracted, { force: true });
    }
  }

  async #openRemote(
    url: string,
    known: SourceRecord | undefined,
    signal: AbortSignal,
  ): Promise<Image> {
    const unpacked = known === undefined ? undefined : await this.#load(known.digest);
    const path = join(this.#tmp, `${randomUUID()}.flist`);
    try {
      // A server that sent no tag is remembered with an empty one.
      const etag = unpacked === undefined ? undefined : known?.fingerprint || undefined;
      const fetched = await this.#fetchFlist(url, { etag, path, signal });
      if (fetched === undefined && unpacked !== undefined) return unpacked;
      const image = await this.#take(path, signal);
      await this.#remember({ source: url, fingerprint: fetched?.etag ?? '', digest: image.digest });
      return image;
    } catch (error) {
      // A hub that is away must not stop an image that is here.
      const away = toG8Error(error, 'ERR_STORE_UNAVAILABLE', `${url} cannot be fetched`);
      if (unpacked === undefined || !away.retryable) throw away;
      this.#onStale(url, away);
      return unpacked;
    } finally {
      await rm(path, { force: true });
    }
  }

  /**
   * Unpacks a flist file unless its digest is here already.
   *
   * @param check throws when the file is no longer the one whose digest was taken
   */
  async #take(
    path: string,
    signal: AbortSignal,
    check: () => Promise<void> = async () => {},
  ): Promise<Image> {
    const digest = toHex(await addon().digestFile(path));
    const present = await this.#load(digest);
    if (present !== undefined) return present;
    try {
      await this.#unpack(path, digest, signal, check);
    } catch (error) {
      const isFull = isG8Error(error, 'ERR_CACHE_FULL');
      if (!isFull || (await this.#makeRoom(INDEX_ROOM_BYTES)) === 0) throw error;
      await this.#unpack(path, digest, signal, check);
    }
    const image = await this.#load(digest);
    if (image === undefined) {
      throw new G8Error('ERR_INTERNAL', `Mount index of ${path} is incomplete after unpacking`);
    }
    return image;
  }

  async #unpack(
    path: string,
    digest: string,
    signal: AbortSignal,
    check: () => Promise<void>,
  ): Promise<void> {
    const staging = join(this.#tmp, randomUUID());
    try {
      await makeFolder(staging);
      // An image that was unpacked before must not wait for the tar and RocksDB code to load.
      const { unpackIndex } = await import('../image/unpack.ts');
      const { decodeStream } = await import('../image/decompress.ts');
      // A stream that is born aborted fails before anybody listens to it.
      throwIfAborted(signal);
      await unpackIndex(createReadStream(path, { signal, highWaterMark: 1 << 20 }), staging, {
        zstdDecompress: (packed) => decodeStream('zstd-decode', packed, addon()),
      });
      await check();
      await this.#place(staging, digest);
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${path} cannot be unpacked`);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  async #place(staging: string, digest: string): Promise<void> {
    const dir = join(this.#dir, digest);
    try {
      await rename(staging, dir);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') {
        throw toG8Error(error, 'ERR_IO', `Mount index ${dir} cannot be written`);
      }
      // The same image came from another source meanwhile; or one lost files, and is replaced.
      if ((await this.#load(digest)) !== undefined) return;
      await rm(dir, { recursive: true, force: true });
      await rename(staging, dir);
    }
  }

  async #load(digest: string): Promise<Image | undefined> {
    const image = await this.#find(digest);
    if (image === undefined) return undefined;
    const now = new Date();
    // Only the order of removal depends on it: an image is as good on a disk that takes no more writes.
    await utimes(image.dir, now, now).catch(() => {});
    return image;
  }

  async #find(digest: string): Promise<Image | undefined> {
    const dir = join(this.#dir, digest);
    try {
      for (const name of INDEX_FILES) await stat(join(dir, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw toG8Error(error, 'ERR_IO', `Mount index ${dir} cannot be read`);
      }
      return undefined;
    }
    const router = await readFile(join(dir, ROUTER_FILE), 'utf8').catch(absent);
    return { digest, dir, router };
  }

  async #recall(source: string): Promise<SourceRecord | undefined> {
    const text = await readFile(this.#sourceFile(source), 'utf8').catch(absent);
    if (text === undefined) return undefined;
    try {
      const record = JSON.parse(text) as SourceRecord;
      const valid = record.source === source && /^[0-9a-f]{64}$/.test(record.digest);
      return valid ? record : undefined;
    } catch {
      // Half-written by a crash: the source is simply looked at again.
      return undefined;
    }
  }

  async #remember(record: SourceRecord): Promise<void> {
    try {
      await writeFile(this.#sourceFile(record.source), JSON.stringify(record));
    } catch (error) {
      // Without it the source is looked at again next time, and that is all.
      const { code } = toG8Error(error, 'ERR_IO', 'Cannot remember a source');
      if (code !== 'ERR_CACHE_FULL' && code !== 'ERR_IO') throw error;
    }
  }

  #sourceFile(source: string): string {
    const key = createHash('sha256').update(source).digest('hex');
    return join(this.#dir, 'sources', `${key}.json`);
  }

  /**
   * Removes the least recently used indexes until those not in use fit the limit.
   *
   * @param inUse digests that are mounted
   * @param recentMs what was opened within this time stays: it may be about to be mounted
   * @returns bytes freed
   */
  async collect(
    inUse: ReadonlySet<string>,
    sizeMax = UNUSED_SIZE_MAX,
    recentMs = RECENT_MS,
  ): Promise<number> {
    const found: { digest: string; usedMs: number; size: number }[] = [];
    for (const digest of await readdir(this.#dir).catch(() => [])) {
      if (!/^[0-9a-f]{64}$/.test(digest) || inUse.has(digest)) continue;
      const dir = join(this.#dir, digest);
      const usedMs = (await stat(dir)).mtimeMs;
      // Opened a moment ago and perhaps about to be mounted.
      // A time that lies ahead is that of a clock which has been set back since.
      if (Math.abs(Date.now() - usedMs) < recentMs) continue;
      let size = 0;
      for (const name of await readdir(dir)) size += (await stat(join(dir, name))).size;
      found.push({ digest, usedMs, size });
    }
    found.sort((a, b) => b.usedMs - a.usedMs);
    let kept = 0;
    let freed = 0;
    for (const { digest, size } of found) {
      if (kept + size <= sizeMax) {
        kept += size;
      } else {
        await rm(join(this.#dir, digest), { recursive: true, force: true });
        freed += size;
      }
    }
    await this.#forgetSources();
    return freed;
  }

  /** Removes what is remembered of sources whose images are gone. */
  async #forgetSources(): Promise<void> {
    const dir = join(this.#dir, 'sources');
    const images = new Set(await readdir(this.#dir).catch(() => []));
    for (const name of await readdir(dir).catch(() => [])) {
      const path = join(dir, name);
      const digest = /"digest":"([0-9a-f]{64})"/.exec(await readFile(path, 'latin1'))?.[1];
      if (digest === undefined || !images.has(digest)) await rm(path, { force: true });
    }
  }
}

async function fingerprintOf(path: string): Promise<string> {
  try {
    const s = await stat(path, { bigint: true });
    if (!s.isFile()) throw new G8Error('ERR_NO_INPUT', `${path} is not a flist file`);
    return [s.dev, s.ino, s.size, s.mtimeNs, s.ctimeNs].join(':');
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${path} cannot be opened`);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw toG8Error(error, 'ERR_IO', 'Cache cannot be read');
}

/** So that whoever reads there on the JS thread does not wait for the disk. */
async function readBeginnings(dir: string): Promise<void> {
  for (const name of INDEX_FILES) {
    await using file = await open(join(dir, name), 'r');
    await file.read(Buffer.alloc(PAGE_SIZE), 0, PAGE_SIZE, 0);
  }
}
