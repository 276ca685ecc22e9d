/** Why a tree cannot be changed as asked: one error for each reason a system call would give. Pure. */
import { type ErrorCode, G8Error } from '../../base/errors.ts';
import { escapeBytes } from '../flist/escape.ts';

// What cannot be made is ERR_CREATE; what must not be taken away as it is asked, a mistake of the caller.
const REASONS = {
  ENOENT: ['ERR_NO_INPUT', 'is not in the image'],
  ENOTDIR: ['ERR_NO_INPUT', 'is not a directory'],
  ELOOP: ['ERR_NO_INPUT', 'has too many symlinks on the way'],
  EEXIST: ['ERR_CREATE', 'is there already'],
  ENOTEMPTY: ['ERR_USAGE', 'is not empty'],
  EISDIR: ['ERR_USAGE', 'is a directory'],
  EINVAL: ['ERR_USAGE', 'cannot be moved into itself'],
  EBUSY: ['ERR_USAGE', 'is the root, which stays where it is'],
  ENAMETOOLONG: ['ERR_CREATE', 'has a name that no file can have'],
  EMLINK: ['ERR_CREATE', 'is too deep'],
} as const satisfies Record<string, readonly [ErrorCode, string]>;

/** @param path names of the image, each byte a character */
export function refused(errno: keyof typeof REASONS, path: string): G8Error {
  const [code, text] = REASONS[errno];
  const shown = showPath(path);
  return new G8Error(code, `${shown} ${text}`, { details: { path: shown, errno } });
}

/** A path whose every byte is a character, for messages. */
export function showPath(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString();
  // Text stays readable; whoever prints it takes control characters out.
  return Buffer.from(text).equals(bytes) ? text : escapeBytes(bytes);
}
