/** Which sources a rule is for: a path or URL, or the beginning of them. */
import { realpathSync } from 'node:fs';
import { toG8Error } from '../base/errors.ts';

/** @param pattern one that ends in `*` is the beginning of a name */
export function fitsPattern(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/**
 * One spelling for each flist: a path without links, a URL without credentials, query and escapes that need not be.
 *
 * @throws ERR_NO_INPUT for a path that is not there
 */
export function plainSource(source: string): string {
  if (/^https?:\/\//i.test(source)) {
    const { origin, pathname } = new URL(source);
    const parts = pathname.split('/').map((part) => encodeURIComponent(decoded(part)));
    return `${origin}${parts.join('/')}`;
  }
  try {
    return realpathSync(source);
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${source} cannot be found`);
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
