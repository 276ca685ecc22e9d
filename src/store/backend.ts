/** The one place that turns a URL into a chunk store that can be listed and pruned. */
import { isAbsolute, resolve } from 'node:path';
import { G8Error } from '../base/errors.ts';
import { DirectoryStore, type DirectoryStoreOptions } from './directory.ts';
import type { HttpOptions } from './http-client.ts';
import { withoutCredentials } from './http-url.ts';
import { RedisStore } from './redis.ts';
import { RESP_SCHEMES } from './resp-target.ts';
import { S3Store } from './s3.ts';
import { S3_SCHEMES } from './s3-target.ts';
import type { PrunableChunkStore } from './store.ts';
import { ZdbStore } from './zdb.ts';

export interface BackendOptions {
  /** For directories. */
  readonly directory?: Omit<DirectoryStoreOptions, 'path'>;
  /** Connections and deadlines, for all but directories. */
  readonly http?: HttpOptions | undefined;
  /** Has the keys of S3 stores whose URL has none; default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}

const NETWORK_SCHEMES: readonly string[] = [...RESP_SCHEMES, ...S3_SCHEMES];

/** Whether the URL is of a server that {@link openBackend} speaks to. */
export function isNetworkBackend(url: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  return scheme !== undefined && NETWORK_SCHEMES.includes(scheme);
}

/**
 * Opens a chunk store by its URL: `dir:PATH`, `dir:///path`, `file:///path` or a path, and the servers of
 * `resp-target.ts` and `s3-target.ts`. Nothing is connected to before the first call.
 *
 * @throws ERR_CONFIG
 */
export function openBackend(url: string, options: BackendOptions = {}): PrunableChunkStore {
  if (!isNetworkBackend(url)) {
    return new DirectoryStore({ ...options.directory, path: directoryOf(url) });
  }
  const { http, env } = options;
  const scheme = url.slice(0, url.indexOf(':')).toLowerCase();
  if (S3_SCHEMES.includes(scheme)) {
    return new S3Store(url, { http, ...(env !== undefined && { env }) });
  }
  return scheme === 'zdb' ? new ZdbStore(url, http) : new RedisStore(url, http);
}

/**
 * Opens a store that a flist names. A flist comes from anywhere: its URLs are given no keys of this
 * machine's environment and no file of its disk.
 *
 * @throws ERR_CONFIG, ERR_PERMISSION
 */
export function openForeignBackend(url: string, http?: HttpOptions): PrunableChunkStore {
  if (!isNetworkBackend(url) || /[?&]ca=/i.test(url)) {
    const message = `Store ${withoutCredentials(url)} is of this machine, which a flist may not name`;
    throw new G8Error('ERR_PERMISSION', message);
  }
  return openBackend(url, { http, env: {} });
}

/** The absolute path of a directory's URL. @throws ERR_CONFIG */
export function directoryOf(url: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url);
  if (scheme === null) {
    const path = url.replace(/^(?:dir|file):/i, '');
    if (path === '') throw new G8Error('ERR_CONFIG', 'Store URL is empty');
    return resolve(path);
  }
  const name = withoutCredentials(url);
  if (!['dir', 'file', 'bundle'].includes((scheme[1] as string).toLowerCase())) {
    throw new G8Error('ERR_CONFIG', `Store ${name} has an unknown scheme`);
  }
  let path: string;
  try {
    path = decodeURIComponent(url.slice(scheme[0].length));
  } catch (cause) {
    throw new G8Error('ERR_CONFIG', `Store ${name} has a broken percent escape`, { cause });
  }
  if (!isAbsolute(path) || path.includes('\0')) {
    throw new G8Error('ERR_CONFIG', `Store ${name} needs an absolute path, as in dir:///path`);
  }
  return resolve(path);
}
