/** From URLs and routers to stores: which backend a URL means, and the standard stack around them. */
import { G8Error, isG8Error } from '../base/errors.ts';
import type { RetryPolicy } from '../base/retry.ts';
import { directoryOf, isNetworkBackend, openBackend, openForeignBackend } from './backend.ts';
import { BundleStore } from './bundle.ts';
import type { DigestFunction } from './chunk-id.ts';
import { DirectoryStore } from './directory.ts';
import type { FindChunks, WriteChunks } from './directory-calls.ts';
import type { HealthTable } from './health.ts';
import { HttpStore } from './http.ts';
import type { HttpOptions } from './http-client.ts';
import { withoutCredentials } from './http-url.ts';
import { ALL_IDS } from './id-range.ts';
import { hubLogin } from './logins.ts';
import { READ_RETRY, TRANSFER_RETRY, withRetry } from './retry.ts';
import { type Pool, type Route, RouteStore } from './route.ts';
import type { RouterConfig } from './router-config.ts';
import type { ChunkStore, WritableChunkStore } from './store.ts';
import { UnusableStore } from './unusable.ts';
import { withVerify } from './verify.ts';

export interface OpenStoreOptions {
  /** Connections, deadlines and token of HTTP stores. */
  readonly http?: HttpOptions;
  /** Flush chunks to the device, for directories. Default false. */
  readonly fsync?: boolean;
  /** Writes many chunks into a directory in one call. */
  readonly writeChunks?: WriteChunks;
  /** Looks for many chunks of a directory in one call. */
  readonly findChunks?: FindChunks;
  readonly retry?: RetryPolicy;
}

export interface OpenRoutedStoreOptions {
  /** Stores for all chunks, asked in this order after the routers. */
  readonly urls: readonly string[];
  /** The administrator's own router, asked first. It may name directories and cache pools. */
  readonly localRouter?: RouterConfig | undefined;
  /** Routers that came inside flists, in mount order. */
  readonly routers?: readonly RouterConfig[];
  readonly http?: HttpOptions;
  readonly retry?: RetryPolicy;
  /** What is known of stores, shared with others who read from them. */
  readonly health?: HealthTable | undefined;
  /** When given, chunks are checked as they come, and a corrupt one is fetched from the next store. */
  readonly digest?: DigestFunction;
}

/**
 * Opens one store to read from and write to: `http://…`, `https://…`, `dir:///path`, `file:///path`,
 * a path, or a server of `backend.ts`. A directory is made when the first chunk is put. Calls over a network are
 * retried.
 *
 * @throws ERR_CONFIG when the URL is no store's
 */
export function openStore(url: string, options: OpenStoreOptions = {}): WritableChunkStore {
  if (isHttp(url)) {
    return withRetry(openHttp(url, options.http), options.retry ?? TRANSFER_RETRY);
  }
  if (isNetworkBackend(url)) {
    return withRetry(openBackend(url, { http: options.http }), options.retry ?? TRANSFER_RETRY);
  }
  if (isBundleUrl(url)) {
    throw new G8Error(
      'ERR_CONFIG',
      `Store ${withoutCredentials(url)} is a bundle: it takes no chunks`,
    );
  }
  const path = directoryOf(url);
  const { fsync = false, writeChunks, findChunks } = options;
  return new DirectoryStore({ path, create: true, fsync, writeChunks, findChunks });
}

/**
 * Opens the stores that a mount reads from, as one: the local router's pools, those of the flists'
 * routers, then `urls`, with retries around it all.
 *
 * @throws ERR_CONFIG when a URL is no store's
 */
export function openRoutedStore(options: OpenRoutedStoreOptions): ChunkStore {
  const opened = new Map<string, ChunkStore>();
  const once = (url: string, open: () => ChunkStore) => {
    const store = opened.get(url) ?? open();
    opened.set(url, store);
    return store;
  };
  const open = (url: string) => once(url, () => openOne(url, false, options));
  // A cache pool's directory is made when the first chunk is written back.
  const openLocal = (url: string) =>
    isHttp(url) ? open(url) : once(`local ${url}`, () => openOne(url, true, options));
  const openUntrusted = (url: string) =>
    isHttp(url) ? open(url) : once(`flist ${url}`, () => openForeign(url, options));

  const lookup: Pool[] = [];
  const cache: Pool[] = [];
  let index = 0;
  const add = (router: RouterConfig, openUrl: (url: string) => ChunkStore, trusted: boolean) => {
    const pools = poolsOf(router, index++, openUrl, trusted);
    for (const name of router.lookup) lookup.push(pools.get(name) as Pool);
    for (const name of trusted ? router.cache : []) cache.push(pools.get(name) as Pool);
  };
  if (options.localRouter !== undefined) add(options.localRouter, openLocal, true);
  for (const router of options.routers ?? []) add(router, openUntrusted, false);
  for (const url of options.urls) {
    const routes: Route[] = [{ range: ALL_IDS, store: open(url) }];
    lookup.push({ name: `${index++}.store`, cache: false, routes });
  }
  const route = new RouteStore({
    lookup,
    cache,
    digest: options.digest,
    health: options.health,
  });
  return withRetry(route, options.retry ?? READ_RETRY);
}

function poolsOf(
  router: RouterConfig,
  index: number,
  openUrl: (url: string) => ChunkStore,
  trusted: boolean,
): Map<string, Pool> {
  const pools = new Map<string, Pool>();
  for (const [name, destinations] of router.pools) {
    const cache = trusted && router.cache.includes(name);
    // A pool that nobody asks opens nothing.
    if (!cache && !router.lookup.includes(name)) continue;
    const routes = destinations.map(({ range, url }) => ({ range, store: openUrl(url) }));
    pools.set(name, { name: `${index}.${name}`, cache, routes });
  }
  return pools;
}

function openOne(url: string, create: boolean, options: OpenRoutedStoreOptions): ChunkStore {
  return verified(openPlain(url, create, options), options);
}

/** A flist's destination; one that cannot be used fails only when it is asked, so that the others can serve. */
function openForeign(url: string, options: OpenRoutedStoreOptions): ChunkStore {
  try {
    return verified(openForeignBackend(url, options.http), options);
  } catch (error) {
    if (!isG8Error(error)) throw error;
    return new UnusableStore(withoutCredentials(url), error);
  }
}

function verified(store: ChunkStore, { digest }: OpenRoutedStoreOptions): ChunkStore {
  return digest === undefined ? store : withVerify(store, digest);
}

/** With the login of the hub that the URL is of. */
function openHttp(url: string, http: HttpOptions | undefined): HttpStore {
  return new HttpStore(url, { login: hubLogin(url), ...http });
}

function openPlain(url: string, create: boolean, options: OpenRoutedStoreOptions): ChunkStore {
  if (isHttp(url)) return openHttp(url, options.http);
  if (isNetworkBackend(url)) return openBackend(url, { http: options.http });
  const path = directoryOf(url);
  return isBundleUrl(url) ? new BundleStore(path) : new DirectoryStore({ path, create });
}

/** `bundle:///path`, or a path that ends so. */
function isBundleUrl(url: string): boolean {
  return /^bundle:\/\//i.test(url) || (!url.includes('://') && url.endsWith('.bundle'));
}

function isHttp(url: string): boolean {
  return /^https?:\/\//i.test(url);
}
