/** Names of entries in images, which may have any bytes, as text and in paths of the hub. Pure. */
import { escapeName, unescapeName } from '../../base/name-text.ts';
import { Problem } from '../problem.ts';
import { href } from './html.ts';

/**
 * Bytes of a path in an image, for a path of the hub that ends with it. Begins with a slash.
 *
 * @throws Problem 404 for `.` and `..`, which lead to where other paths lead too
 */
export function imagePath(text: string): Uint8Array {
  const names = text.split('/').filter((name) => name !== '');
  if (names.includes('.') || names.includes('..')) {
    throw new Problem(404, 'There is no such path in this flist');
  }
  const bytes = names.flatMap((name) => [Buffer.from('/'), unescapeName(name)]);
  return new Uint8Array(bytes.length === 0 ? Buffer.from('/') : Buffer.concat(bytes));
}

/** Names of a path in an image as they are shown and as {@link href} takes them. */
export function pathNames(path: Uint8Array): string[] {
  const names: string[] = [];
  for (let start = 0; start < path.length; ) {
    const slash = path.indexOf(0x2f, start);
    const end = slash === -1 ? path.length : slash;
    if (end > start) names.push(escapeName(path.subarray(start, end)));
    start = end + 1;
  }
  return names;
}

/** Where a path of a flist's image is looked at, or downloaded. */
export function entryHref(
  flist: { readonly repository: string; readonly file: string },
  view: 'tree' | 'raw',
  names: readonly string[],
  query?: Readonly<Record<string, string>>,
): string {
  return href([flist.repository, flist.file, view, ...names], query);
}
