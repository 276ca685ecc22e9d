/**
 * What the disk may have lost without a word: after a write that failed behind everybody's back the kernel takes the
 * pages for clean, and once it has dropped them the file reads as zeros. So nothing of what was not synced
 * outlives such a time.
 */
import { rm } from 'node:fs/promises';
import { toHex } from '../base/bytes.ts';
import type { CacheParts } from './parts.ts';
import type { ContentRecord } from './records.ts';

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
  // Partial ones that were forgotten meanwhile, too: their blocks would be taken for present.
  for await (const { digest, record } of catalog.records()) {
    if (isOnDisk(record)) continue;
    const key = toHex(digest);
    await lock.run(key, async () => {
      const current = await catalog.find(digest);
      if (current === undefined || isOnDisk(current)) return;
      await catalog.remove(digest);
      await rm(layout.filePath(key), { force: true });
      await rm(layout.partialPath(key), { force: true });
    });
  }
  await state.flush();
}

function isOnDisk({ complete, durable }: ContentRecord): boolean {
  return complete && durable;
}
