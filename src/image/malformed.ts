/** The error for a mount index whose directories do not make a tree. Pure. */
import { G8Error } from '../base/errors.ts';

export function malformedTree(reason: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `mount.erofs is malformed: ${reason}`);
}
