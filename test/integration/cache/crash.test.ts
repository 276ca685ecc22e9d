import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { equalBytes } from '../../../src/base/bytes.ts';
import {
  crashContents,
  openCache,
  RecordingStore,
  randomOf,
  type TestContent,
  temporaryDir,
} from '../../support/cache-fixture.ts';
import { amount } from '../../support/thorough.ts';

const CRASH_COUNT = amount(6, 100);
const CRASHER = fileURLToPath(new URL('../../support/cache-crasher.js', import.meta.url));

test(`${CRASH_COUNT} kills at random moments never leave unverified bytes`, async (t) => {
  const dir = await temporaryDir(t);
  const contents = crashContents();
  const random = randomOf(7);
  let complete = 0;
  let blocks = 0;
  for (let crash = 0; crash < CRASH_COUNT; crash++) {
    await fillUntilKilled(dir, crash, random() * 150);
    const found = await inspect(t, dir, contents);
    complete += found.complete;
    blocks += found.blocks;
  }
  t.diagnostic(`${complete} complete files and ${blocks} blocks of partial files were checked`);
  assert.ok(complete > 0 && blocks > 0, 'The crashes came too early to show anything');
});

async function fillUntilKilled(dir: string, seed: number, delayMs: number): Promise<void> {
  const child = spawn(process.execPath, [CRASHER, dir, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exited]);
  assert.equal(child.exitCode, null, 'The process ended by itself');
  await delay(delayMs);
  child.kill('SIGKILL');
  const [, signal] = (await exited) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', 'The process ended by itself');
}

async function inspect(
  t: TestContext,
  dir: string,
  contents: readonly TestContent[],
): Promise<{ complete: number; blocks: number }> {
  const byKey = new Map(contents.map((file) => [file.key, file]));
  let complete = 0;
  for (const path of await readdir(join(dir, 'files'), { recursive: true })) {
    const full = join(dir, 'files', path);
    const stats = await stat(full);
    if (!stats.isFile()) continue;
    assert.equal(stats.mtimeMs, 1000);
    const file = byKey.get(full.slice(-64));
    assert.ok(file !== undefined && equalBytes(await readFile(full), file.bytes));
    complete++;
  }

  const { cache, residency } = await openCache(t, { dir, sizeMaxBytes: 2 * 1024 * 1024 });
  let blocks = 0;
  for (const file of contents) {
    if ((await cache.attach(file)) === 'complete') continue;
    // Only what is on the disk can become present: this store has nothing.
    const store = new RecordingStore();
    await cache.fill(file, 0, file.chunkCount, { store, priority: 'demand' }).catch(() => {});
    const present = residency.blocks.get(file.key) ?? new Set<number>();
    const path =
      present.size === file.chunkCount
        ? cache.layout.filePath(file.key)
        : cache.layout.partialPath(file.key);
    const bytes = new Uint8Array(await readFile(path));
    for (const block of present) {
      const from = block * file.blockSize;
      const to = from + file.blockSize;
      assert.ok(equalBytes(bytes.subarray(from, to), file.bytes.subarray(from, to)));
      blocks++;
    }
  }
  const { rejectedFiles, corruptFiles } = await cache.status();
  assert.deepEqual({ rejectedFiles, corruptFiles }, { rejectedFiles: 0, corruptFiles: 0 });
  await cache.close();
  return { complete, blocks };
}
