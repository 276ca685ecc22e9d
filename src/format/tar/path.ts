/**
 * Paths of archives: made relative, and refused when they lead out. Bytes, whatever their encoding. Pure.
 */
import { NAME_SIZE_MAX } from '../tree.ts';
import { malformedTar } from './malformed.ts';

/** Four times PATH_MAX; an archive made step by step may exceed PATH_MAX itself. */
const PATH_SIZE_MAX = 16 * 1024;

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * A path of an archive as names between single slashes: leading slashes and `.` go, as with tar.
 *
 * @returns empty for the root
 * @throws ERR_FLIST_FORMAT for `..`, NULs, names above 255 bytes and paths above 16 KiB
 */
export function normalizeTarPath(path: Uint8Array, offset: number): Uint8Array {
  if (path.length > PATH_SIZE_MAX) {
    throw malformedTar(offset, `a path of ${path.length} bytes`, path);
  }
  if (path.includes(0)) throw malformedTar(offset, 'a path with a NUL', path);
  const result = new Uint8Array(path.length);
  let size = 0;
  for (let start = 0; start < path.length; ) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    const length = end - start;
    const isDot = length === 1 && path[start] === DOT;
    if (length === 2 && path[start] === DOT && path[start + 1] === DOT) {
      throw malformedTar(offset, 'a path with .. in it', path);
    }
    if (length > NAME_SIZE_MAX) throw malformedTar(offset, `a name of ${length} bytes`, path);
    if (length > 0 && !isDot) {
      if (size > 0) result[size++] = SLASH;
      result.set(path.subarray(start, end), size);
      size += length;
    }
    start = end + 1;
  }
  return result.slice(0, size);
}

/** Whether a name of an archive stands for a directory whatever its type says. */
export function endsWithSlash(path: Uint8Array): boolean {
  return path.at(-1) === SLASH;
}
