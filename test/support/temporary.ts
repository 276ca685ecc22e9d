/** Directories that are gone when their test is over. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export async function temporaryDirectory(t: Pick<TestContext, 'after'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'g8ufs-test-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}
