import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { runWorker } from '../../../src/fs/run-worker.ts';
import { stackImages } from '../../../src/fs/stack/stack-images.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const WIDE = { timeoutMs: 60_000, heapSizeMaxMb: 512 };

function workIn(folder: string) {
  const image = (name: string) => ({ dir: join(folder, name), router: undefined, source: name });
  return { base: image('base'), layer: image('layer'), output: join(folder, 'out.flist') };
}

test('stackImages() tells which of its limits was reached', async (context) => {
  const work = workIn(temporaryDirectory(context));
  const { signal } = new AbortController();
  // Less than the thread itself needs.
  await assert.rejects(
    stackImages(work, signal, { ...WIDE, heapSizeMaxMb: 1 }),
    (error) => isG8Error(error, 'ERR_CREATE') && /too large/.test(error.message),
  );
  await assert.rejects(
    stackImages(work, signal, { ...WIDE, timeoutMs: 1 }),
    (error) => isG8Error(error, 'ERR_TIMEOUT') && /layer on base/.test(error.message),
  );
  await assert.rejects(stackImages(work, AbortSignal.abort(), WIDE), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
  await assert.rejects(stackImages(work, signal, WIDE), (error) =>
    isG8Error(error, 'ERR_NO_INPUT'),
  );
});

test('runWorker() ends a thread that goes on for ever, or takes too much memory', async (context) => {
  const program = join(temporaryDirectory(context), 'worker.mjs');
  writeFileSync(
    program,
    `import { workerData } from 'node:worker_threads';
    const held = [];
    for (;;) if (workerData === 'grow') held.push(new Array(1000).fill(held.length));`,
  );
  await assert.rejects(
    runWorker(program, 'grow', {
      signal: AbortSignal.timeout(60_000),
      resourceLimits: { maxOldGenerationSizeMb: 16 },
    }),
    { code: 'ERR_WORKER_OUT_OF_MEMORY' },
  );
  await assert.rejects(runWorker(program, 'spin', { signal: AbortSignal.timeout(200) }), {
    name: 'AbortError',
  });
});
