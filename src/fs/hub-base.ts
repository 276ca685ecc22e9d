/** Which server a flist URL belongs to. */
import { G8Error } from '../base/errors.ts';

/**
 * Base URL of the hub that a flist URL belongs to: `<base>/<repository>/<name>.flist`.
 *
 * @returns `undefined` for a path
 */
export function hubBase(source: string): string | undefined {
  if (!/^https?:\/\//.test(source)) return undefined;
  const parsed = new URL(source);
  const base = parsed.pathname.split('/').slice(0, -2).join('/');
  return `${originOf(parsed)}${base}`;
}

/** With the user part: it is what the server asks for. @throws ERR_USAGE for a URL without one */
export function originOf(url: URL): string {
  if (url.hostname === '') throw new G8Error('ERR_USAGE', `${url.href} names no server`);
  const user = url.username === '' ? '' : `${url.username}:${url.password}@`;
  return `${url.protocol}//${user}${url.host}`;
}
