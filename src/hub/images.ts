/**
 * Looks into published flists without mounting them: the mount index of a package is unpacked into a folder and
 * read page by page. A few stay open, since whoever looks at one folder looks at the next.
 */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { blake2b256Stream } from '../base/blake2b.ts';
import { G8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import { type Image, type OpenImageOptions, openImage } from '../image/open.ts';
import { type ImageSummary, summarize } from '../image/summary.ts';
import type { PackageStore } from './package-store.ts';
import { Problem } from './problem.ts';
import type { HubAddon } from './route.ts';

/** Open at a time, besides those in use: each has three files and up to 24 MiB of cached pages. */
const IDLE_COUNT_MAX = 8;
const IDLE_MS = 5 * 60_000;
/** Unpacking takes a core and a decoder's memory. */
const OPENING_COUNT_MAX = 2;
const QUEUE_COUNT_MAX = 32;
/** Records without an index are built in memory: a million files stay below this. */
const UNPACKED_SIZE_MAX = 512 * 1024 * 1024;
const OPENING_MS = 60_000;

/** What a hub without the native addon can do. */
const PLAIN_CODEC: OpenImageOptions['codec'] = {
  digestFile: async (path) => {
    const digest = blake2b256Stream();
    for await (const piece of createReadStream(path)) digest.update(piece as Uint8Array);
    return digest.digest();
  },
  openStream: () => {
    throw new Problem(501, 'This hub cannot read flists that are packed by zstd');
  },
};

/** An image with what was found out about it: neither can change. */
export class PublishedImage {
  readonly image: Image;
  #summary: Promise<ImageSummary> | undefined;
  #rootDigest: Promise<string> | undefined;

  constructor(image: Image) {
    this.image = image;
  }

  async summary(): Promise<ImageSummary> {
    this.#summary ??= summarize(this.image);
    return await this.#summary;
  }

  async rootDigest(): Promise<string> {
    this.#rootDigest ??= this.image.rootDigest();
    return await this.#rootDigest;
  }
}

interface Opened {
  readonly published: Promise<PublishedImage>;
  useCount: number;
  timer: NodeJS.Timeout | undefined;
}

export class Images {
  readonly #packages: PackageStore;
  readonly #addon: HubAddon | undefined;
  readonly #tmpDir: string;
  readonly #limiter = new Limiter({
    shares: [OPENING_COUNT_MAX],
    queueCountMax: QUEUE_COUNT_MAX,
  });
  // In order of last use.
  readonly #opened = new Map<string, Opened>();
  #isClosed = false;

  constructor(options: {
    packages: PackageStore;
    addon: HubAddon | undefined;
    /** The data folder of the hub. */
    dataDir: string;
  }) {
    this.#packages = options.packages;
    this.#addon = options.addon;
    this.#tmpDir = join(options.dataDir, 'tmp');
  }

  /**
   * Runs work on a package's image, which stays open meanwhile.
   *
   * @param digest of the package
   * @throws Problem 501 for a package of zstd on a hub without the native addon; ERR_FLIST_FORMAT for a package that is none or too large;
   *   ERR_STORE_UNAVAILABLE when too many wait; what reading its pieces and `work` throw
   */
  async with<T>(digest: string, work: (published: PublishedImage) => Promise<T>): Promise<T> {
    const { published, release } = await this.take(digest);
    try {
      return await work(published);
    } finally {
      release();
    }
  }

  /** As {@link with}, for work that outlives a call: `release` is called once, at its end. */
  async take(digest: string): Promise<{ published: PublishedImage; release: () => void }> {
    if (this.#isClosed) throw new G8Error('ERR_ABORTED', 'The hub is closing');
    let opened = this.#opened.get(digest);
    if (opened === undefined) {
      opened = { published: this.#open(digest), useCount: 0, timer: undefined };
      const failed = opened;
      opened.published.catch(() => {
        if (this.#opened.get(digest) === failed) this.#opened.delete(digest);
      });
    }
    this.#opened.delete(digest);
    this.#opened.set(digest, opened);
    const taken = opened;
    taken.useCount++;
    clearTimeout(taken.timer);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      this.#release(digest, taken);
    };
    try {
      return { published: await taken.published, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Closes what is open; work that still runs fails with ERR_ABORTED. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(all.map(closeOne));
  }

  async #open(digest: string): Promise<PublishedImage> {
    const codec = this.#addon ?? PLAIN_CODEC;
    const saved = await this.#packages.find(digest);
    if (saved === undefined) throw new Problem(404, 'The package of this flist is gone');
    const { size } = saved;
    const open = async (): Promise<PublishedImage> => {
      const signal = AbortSignal.timeout(OPENING_MS);
      const read = () => addAbortSignal(signal, this.#packages.read(saved));
      const options = { codec, tmpDir: this.#tmpDir, unpackedSizeMax: UNPACKED_SIZE_MAX };
      return new PublishedImage(await openImage({ name: 'The flist', size, read }, options));
    };
    return await this.#limiter.run(open, { priority: 0 });
  }

  #release(digest: string, opened: Opened): void {
    opened.useCount--;
    if (opened.useCount > 0 || this.#opened.get(digest) !== opened) return;
    const drop = (key: string, one: Opened): void => {
      clearTimeout(one.timer);
      this.#opened.delete(key);
      closeOne(one).catch(() => {});
    };
    opened.timer = setTimeout(() => drop(digest, opened), IDLE_MS).unref();
    const idle = [...this.#opened].filter(([, one]) => one.useCount === 0);
    for (const [key, one] of idle.slice(0, -IDLE_COUNT_MAX)) drop(key, one);
  }
}

async function closeOne({ published, timer }: Opened): Promise<void> {
  clearTimeout(timer);
  const opened = await published.catch(() => undefined);
  await opened?.image.close();
}
