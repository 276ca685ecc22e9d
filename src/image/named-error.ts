/** Errors of parsers, which do not know what they read, with its name. Pure. */
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';

/** @param source what was read, as it was named */
export function namedError(error: unknown, source: string): G8Error {
  const known = toG8Error(error, 'ERR_IO', `${source} cannot be read`);
  if (!isG8Error(error, 'ERR_FLIST_FORMAT') || known.message.includes(source)) return known;
  const { code, message, details } = known;
  return new G8Error(code, `${source}: ${message}`, { cause: error, details });
}
