/** What the commands that read contents of images share: the flag for stores, opening them. */
import type { Command } from 'commander';
import { G8Error } from '../base/errors.ts';
import type { Image } from '../image/open.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import { repeated } from './create-flags.ts';

export interface StoreFlags {
  readonly store: readonly string[];
}

export function addStoreFlag(command: Command): Command {
  return command.option(
    '-s, --store <url>',
    'where chunks are, after the stores the flist names (repeatable)',
    repeated,
    [],
  );
}

/**
 * Opens the stores that images read from, as one, for the time of `use`: those that the flists name, in
 * order, then those of the flags, or of the configuration when there are no flags.
 *
 * @throws ERR_CONFIG when there is no store at all
 */
export async function withStores<T>(
  context: Context,
  images: readonly Pick<Image, 'source' | 'router'>[],
  flags: StoreFlags,
  use: (store: ChunkStore) => Promise<T>,
): Promise<T> {
  const { loadConfig } = await import('../config/config.ts');
  const config = await loadConfig(context.env, {
    stores: flags.store.length > 0 ? flags.store : undefined,
  });
  const store = await openImageStores(images, config.get('stores'));
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/**
 * Opens the stores that images read from, as one: those that the flists name, in order, then `urls`.
 *
 * @param flag that gives the urls, for messages
 * @throws ERR_CONFIG when there is no store at all
 */
export async function openImageStores(
  images: readonly Pick<Image, 'source' | 'router'>[],
  urls: readonly string[],
  flag = '--store',
): Promise<ChunkStore> {
  const { openRoutedStore } = await import('../store/open.ts');
  const { parseRouter } = await import('../store/router-config.ts');
  const { bundleRouter } = await import('../store/bundle-router.ts');
  const localRouter = await bundleRouter(images.map(({ source }) => source));
  const { addon } = await import('../native/load.ts');
  const routers = images.flatMap(({ router, source }) =>
    router === undefined ? [] : [parseRouter(router, `of ${source}`)],
  );
  if (routers.length === 0 && urls.length === 0 && localRouter === undefined) {
    const names = images.map(({ source }) => source).join(' and ');
    throw new G8Error('ERR_CONFIG', `${names} names no store; give one with ${flag}`);
  }
  const codec = addon();
  const digest = (data: Uint8Array, length: number): Uint8Array => codec.blake2b(data, length);
  return openRoutedStore({ urls, routers, localRouter, digest });
}

/**
 * URLs of all stores that images read from, each once, in the order in which they are asked. Those that a
 * flist may not name are left out.
 */
export async function storeUrls(
  context: Context,
  images: readonly Pick<Image, 'source' | 'router'>[],
  flags: StoreFlags,
): Promise<string[]> {
  const { loadConfig } = await import('../config/config.ts');
  const { parseRouter } = await import('../store/router-config.ts');
  const config = await loadConfig(context.env, {
    stores: flags.store.length > 0 ? flags.store : undefined,
  });
  const named = images.flatMap(({ router, source }) => {
    if (router === undefined) return [];
    const { lookup, pools } = parseRouter(router, `of ${source}`);
    return lookup.flatMap((name) => (pools.get(name) ?? []).map(({ url }) => url));
  });
  const http = named.filter((url) => /^https?:\/\//i.test(url));
  return [...new Set([...http, ...config.get('stores')])];
}
