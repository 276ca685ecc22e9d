/** Which blocks of a partial content are there, and their digests, in the state and back. */
import { equalBytes } from '../base/bytes.ts';
import { createBitmap, hasBit } from './bitmap.ts';
import type { PartialContent } from './content.ts';
import type { CacheParts } from './parts.ts';

/** Takes what the state has of a content whose file was there: only this opening's own word is trusted. */
export async function restorePresence(
  { catalog, lifeId }: CacheParts,
  content: PartialContent,
): Promise<void> {
  const record = await catalog.find(content.digest);
  const presence = await catalog.findPresence(content.digest, lifeId.length);
  if (record?.complete === true) {
    // The process before this one died between the last block and the rename.
    content.claim(createBitmap(content.chunkCount).fill(0xff));
  } else if (presence !== undefined && equalBytes(presence.lifeId, lifeId)) {
    content.claim(undefined);
    for (let block = 0; block < content.chunkCount; block++) {
      if (hasBit(presence.bitmap, block)) content.markPresent(block);
    }
  } else {
    content.claim(presence?.bitmap);
  }
}

/** Puts the contents into the state whose blocks have changed since. */
export function putPresence(parts: CacheParts): void {
  const { catalog, dirty, lifeId } = parts;
  for (const content of dirty) {
    if (content.gone) continue;
    putRows(parts, content);
    catalog.putPresence(content.digest, lifeId, content.claims());
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
