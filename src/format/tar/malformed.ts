/** The error for an archive that cannot be read, with the place where it went wrong. */
import { G8Error } from '../../base/errors.ts';
import { escapeBytes } from '../flist/escape.ts';

/** Names in messages are cut here: a hostile one may have megabytes. */
const SHOWN_SIZE_MAX = 200;

/** A name of an archive for messages: ASCII, and not longer than a few lines. */
export function showTarName(name: Uint8Array): string {
  const cut = name.subarray(0, SHOWN_SIZE_MAX);
  return `${escapeBytes(cut)}${cut.length < name.length ? '…' : ''}`;
}

/**
 * @param offset byte of the archive, after decompression
 * @param reason what follows a colon
 * @param name of the entry, when it is known by then
 */
export function malformedTar(offset: number, reason: string, name?: Uint8Array): G8Error {
  const where = name === undefined ? `byte ${offset}` : `${showTarName(name)} (byte ${offset})`;
  return new G8Error('ERR_FLIST_FORMAT', `Tar archive is malformed at ${where}: ${reason}`, {
    details: { offset },
  });
}
