/** What the commands that look into a flist share: opening it, finding paths in it. */
import { G8Error } from '../base/errors.ts';
import type { IndexInode } from '../format/index/reader.ts';
import type { Image } from '../image/open.ts';
import { resolvePath } from '../image/resolve.ts';
import type { Context } from './context.ts';

/** Opens a flist for the time of `use`; for a look at some paths as {@link Image.load} tells. */
export async function withImage<T>(
  context: Context,
  source: string,
  use: (image: Image) => Promise<T>,
  scope: 'paths' | 'all' = 'all',
): Promise<T> {
  const { openImage } = await import('../image/open.ts');
  const { addon } = await import('../native/load.ts');
  const tmpDir = context.env['TMPDIR'] || undefined;
  const image = await openImage(source, { codec: addon(), tmpDir, scope, signal: context.signal });
  try {
    return await use(image);
  } finally {
    await image.close();
  }
}

/** Opens several flists for the time of `use`. */
export async function withImages<T>(
  context: Context,
  sources: readonly string[],
  use: (images: readonly Image[]) => Promise<T>,
): Promise<T> {
  const [first, ...rest] = sources;
  if (first === undefined) return use([]);
  return withImage(context, first, (image) =>
    withImages(context, rest, (images) => use([image, ...images])),
  );
}

/** An entry that a user has named. */
export interface FoundEntry {
  /** As `resolvePath` gives it. */
  readonly path: Uint8Array;
  readonly inode: IndexInode;
}

/**
 * @param options `followLast`: whether a link that the user has named stands for its target
 * @throws ERR_NO_INPUT when the image has no such path
 */
export function findEntry(
  image: Image,
  path: string,
  options: { readonly followLast: boolean },
): FoundEntry {
  const found = resolvePath(image.index, Buffer.from(path), options);
  if (found === undefined) throw new G8Error('ERR_NO_INPUT', `${path} is not in ${image.source}`);
  return { path: found.path, inode: image.index.inode(found.nid) };
}

/** A path below a folder. */
export function childPath(folder: Uint8Array, name: Uint8Array): Uint8Array {
  const slash = folder.length === 1 ? '' : '/';
  return Buffer.concat([folder, Buffer.from(slash), name]);
}

/** Destinations that the flist's router names, in the order they are asked. */
export async function storesOf(image: Image): Promise<string[]> {
  if (image.router === undefined) return [];
  const { parseRouter } = await import('../store/router-config.ts');
  const router = parseRouter(image.router, `of ${image.source}`);
  const pools = router.lookup.flatMap((name) => router.pools.get(name) ?? []);
  return [...new Set(pools.map(({ url }) => url))];
}
