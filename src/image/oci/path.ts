/** `PATH[:NAME]` of layouts and archives: colons may be part of both. */
import { stat } from 'node:fs/promises';
import { G8Error } from '../../base/errors.ts';

export interface PathWithName {
  readonly path: string;
  /** Tag or name of an image in there. */
  readonly name: string | undefined;
}

/** What the image specification allows in names of a layout's images. */
const NAME = /^[\w][\w.:/@+-]{0,254}$/;

/**
 * Splits behind the first path that exists; at the first colon when there is none. A path that exists as a
 * whole is not split.
 *
 * @throws ERR_USAGE when there is no path, or the name is none
 */
export async function splitPath(text: string): Promise<PathWithName> {
  const ends = [...text.matchAll(/:/g)].map(({ index }) => index);
  let end = ends[0] ?? text.length;
  for (const candidate of [text.length, ...ends]) {
    if (candidate === 0 || !(await exists(text.slice(0, candidate)))) continue;
    end = candidate;
    break;
  }
  const path = text.slice(0, end);
  const name = end === text.length ? undefined : text.slice(end + 1);
  if (path === '') throw new G8Error('ERR_USAGE', `'${text}' names no file or folder`);
  if (name !== undefined && !(name.startsWith('@') || NAME.test(name))) {
    throw new G8Error('ERR_USAGE', `'${name}' is no name of an image`);
  }
  return { path, name };
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
