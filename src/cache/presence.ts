/** Which blocks of a partial content are there, and their digests, in the state and back. */
import { createBitmap } from './bitmap.ts';
import type { PartialContent } from './content.ts';
import type { CacheParts } from './parts.ts';

/**
 * Takes what the state has of a content whose file was there, as claims: each block is verified before it is used. That
 * is so, too, for what this process has forgotten meanwhile: of some of it, it may have had no more than claims itself.
 */
export async function restorePresence(
  { catalog }: CacheParts,
  content: PartialContent,
): Promise<void> {
  const record = await catalog.find(content.digest);
  if (record?.complete === true) {
    // The process before this one died between the last block and the rename.
    content.claim(createBitmap(content.chunkCount).fill(0xff));
  } else {
    content.claim(await catalog.findPresence(content.digest));
  }
}

/** Puts the contents into the state whose blocks have changed since. */
export function putPresence(parts: CacheParts): void {
  const { catalog, dirty } = parts;
  for (const content of dirty) {
    if (content.gone) continue;
    putRows(parts, content);
    catalog.putPresence(content.digest, content.claims());
  }
  dirty.clear();
}

/** Puts those of a content's digests into the state that it does not have yet. */
export function putRows({ catalog }: CacheParts, content: PartialContent): void {
  // One chunk that names the content needs no row.
  if (content.isOwnDigest) return;
  for (const segment of content.takeRowSegments()) {
    catalog.putRows(content.digest, segment, content.rows);
  }
}
