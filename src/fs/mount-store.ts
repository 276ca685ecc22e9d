/**
 * The store that a mount reads from: the routers in its flist, the stores the user named, and for a flist
 * that came from a hub that hub itself.
 *
 * The HTTP client takes longer to load than a mount takes to answer, so it is loaded behind the mount: on
 * the first miss, or when the mount has been made, whichever is earlier.
 */
import { G8Error } from '../base/errors.ts';
import { type DeliveringStore, deliver, type OnChunk } from '../store/deliver.ts';
import {
  type HealthTable,
  healthOf,
  type ReportingStore,
  type StoreReport,
} from '../store/health.ts';
import type { HttpOptions } from '../store/http-client.ts';
import { shownSource } from '../store/http-url.ts';
import type { RouterConfig } from '../store/router-config.ts';
import type { ChunkId, ChunkResult, ChunkStore, StoreCallOptions } from '../store/store.ts';
import { hubBase } from './hub-base.ts';
import type { Image } from './images.ts';
import type { StackRequest } from './mount-record.ts';

export interface MountStoreOptions {
  readonly source: string;
  /** Another source that chunks may be from. */
  readonly onto?: Pick<StackRequest, 'source'>;
  readonly stores: readonly string[];
  readonly image: Pick<Image, 'router'>;
  /** Of a read. */
  readonly deadlineMs: number;
  /** What the daemon knows of stores. */
  readonly health?: HealthTable;
}

/** Never fails: a router or URL that is wrong fails the calls, with ERR_CONFIG. */
export function openMountStore(options: MountStoreOptions): LazyStore {
  // The name is told in statistics and messages.
  return new LazyStore(shownSource(options.source), async () => {
    const [{ openRoutedStore }, { retryUntil }] = await Promise.all([
      import('../store/open.ts'),
      import('../store/retry.ts'),
    ]);
    const { bundleRouter } = await import('../store/bundle-router.ts');
    const { deadlineMs, health } = options;
    const { router } = options.image;
    const base = options.onto?.source;
    const sources = [options.source, ...(base === undefined ? [] : [base])];
    const hubs = sources.map(hubBase).filter((hub) => hub !== undefined);
    return openRoutedStore({
      localRouter: await bundleRouter(sources),
      routers:
        router === undefined
          ? []
          : [await parseRouter(router, `of ${shownSource(options.source)}`)],
      urls: [...options.stores, ...new Set(hubs)],
      http: timesWithin(deadlineMs),
      retry: retryUntil(deadlineMs),
      ...(health !== undefined && { health }),
    });
  });
}

async function parseRouter(text: string, name: string): Promise<RouterConfig> {
  const parser = await import('../store/router-config.ts');
  return parser.parseRouter(text, name);
}

/**
 * Bounds of requests, such that within the deadline of a read a store that hangs is given up and another one
 * is asked. Never longer than the client's own.
 */
function timesWithin(deadlineMs: number): HttpOptions {
  return {
    connectTimeoutMs: Math.min(5_000, Math.ceil(deadlineMs / 4)),
    idleTimeoutMs: Math.min(8_000, Math.ceil(deadlineMs / 4)),
    requestTimeoutMs: Math.min(20_000, Math.ceil((deadlineMs * 2) / 3)),
  };
}

/** A store that is opened when it is first asked, or warmed up before. */
export class LazyStore implements DeliveringStore, ReportingStore {
  readonly name: string;
  #ready: ChunkStore | undefined;
  readonly #open: () => Promise<ChunkStore>;
  #opened: Promise<ChunkStore> | undefined;

  constructor(name: string, open: () => Promise<ChunkStore>) {
    this.name = name;
    this.#open = open;
  }

  /** Opens the store now. @throws ERR_CONFIG as every later call will */
  warmUp(): Promise<ChunkStore> {
    this.#opened ??= this.#open().then((store) => {
      this.#ready = store;
      return store;
    });
    return this.#opened;
  }

  health(): StoreReport[] {
    return this.#ready === undefined ? [] : healthOf(this.#ready);
  }

  get takesBatches(): boolean {
    return this.#ready?.takesBatches === true;
  }

  async get(id: ChunkId, options?: StoreCallOptions): Promise<Uint8Array> {
    return (await this.warmUp()).get(id, options);
  }

  async *getMany(
    ids: readonly ChunkId[],
    options?: StoreCallOptions,
  ): AsyncGenerator<ChunkResult, void, void> {
    yield* (await this.warmUp()).getMany(ids, options);
  }

  async deliver(
    ids: readonly ChunkId[],
    options: StoreCallOptions,
    onChunk: OnChunk,
  ): Promise<void> {
    await deliver(await this.warmUp(), ids, options, onChunk);
  }

  async missing(ids: readonly ChunkId[], options?: StoreCallOptions): Promise<ChunkId[]> {
    return (await this.warmUp()).missing(ids, options);
  }

  async close(): Promise<void> {
    // Nobody would close a store that a late call opens.
    this.#opened ??= Promise.reject(new G8Error('ERR_ABORTED', 'The store of the mount is closed'));
    // A store that failed to open has nothing to close.
    await this.#opened.then(
      (store) => store.close(),
      () => undefined,
    );
  }
}
