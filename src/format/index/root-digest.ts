/** The digest that names a tree (docs/format.md, section 7). Pure. */
import { blake2b256Stream } from '../../base/blake2b.ts';

const CONTEXT = Buffer.from('g8ufs root 1\0');

/** Digest over the pieces of `mount.erofs` and of `mount.contents`. */
export function rootDigest(
  erofs: Iterable<Uint8Array>,
  contents: Iterable<Uint8Array>,
): Uint8Array {
  const hash = blake2b256Stream();
  hash.update(CONTEXT);
  hash.update(digestOf(erofs));
  hash.update(digestOf(contents));
  return hash.digest();
}

function digestOf(pieces: Iterable<Uint8Array>): Uint8Array {
  const hash = blake2b256Stream();
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}
