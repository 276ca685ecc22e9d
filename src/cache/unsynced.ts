/**
 * What the disk may have lost without a word: after a write that failed behind everybody's back the kernel takes the
 * pages for clean, and once it has dropped them the file reads as zeros. So nothing of what was not synced
 * outlives such a time.
 */
import { rm } from 'node:fs/promises';
import { toHex } from '../base/bytes.ts';
import type { CacheParts } from './parts.ts';

/** Forgets every content that is not known to be on the disk. Its readers are served otherwise. @throws ERR_IO, ERR_CACHE_FULL */
export async function discardUnsynced(parts: CacheParts): Promise<void> {
  const { catalog, layout, lock, partials, state } = parts;
  for (const content of [...partials.all()]) {
    await lock.run(content.key, async () => {
      await partials.remove(content);
      await catalog.remove(content.digest);
      await rm(layout.partialPath(content.key), { force: true });
    });
  }
  await state.flush();
  for await (const digest of catalog.pending()) {
    const key = toHex(digest);
    await lock.run(key, async () => {
      if ((await catalog.find(digest))?.durable !== false) return;
      await catalog.remove(digest);
      await rm(layout.filePath(key), { force: true });
    });
  }
  await state.flush();
}
