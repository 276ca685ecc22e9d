import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { checkOutput, writeWholeFile } from '../../../src/image/output.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function* pieces(...texts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

test('writeWholeFile() replaces a file and gives its size', async (t) => {
  const path = join(temporaryDirectory(t), 'out');
  writeFileSync(path, 'old');
  assert.equal(await writeWholeFile(path, pieces('new ', 'text')), 8);
  assert.equal(readFileSync(path, 'utf8'), 'new text');
});

test('writeWholeFile() keeps the old file and leaves nothing when its source fails', async (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'out'), 'old');
  const failure = new Error('broken');
  await assert.rejects(writeWholeFile(join(folder, 'out'), pieces('x', failure)), failure);
  assert.deepEqual(readdirSync(folder), ['out']);
  assert.equal(readFileSync(join(folder, 'out'), 'utf8'), 'old');
});

test('writeWholeFile() leaves nothing when it is aborted', async (t) => {
  const folder = temporaryDirectory(t);
  const signal = AbortSignal.abort(new G8Error('ERR_ABORTED', 'Stopped'));
  await assert.rejects(writeWholeFile(join(folder, 'out'), pieces('x'), signal), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
  assert.deepEqual(readdirSync(folder), []);
});

test('writeWholeFile() fails with ERR_CREATE where it cannot write', async (t) => {
  const path = join(temporaryDirectory(t), 'no/such/folder/out');
  await assert.rejects(writeWholeFile(path, pieces('x')), (error) =>
    isG8Error(error, 'ERR_CREATE'),
  );
});

test('checkOutput() refuses a folder and a place in no folder', async (t) => {
  const folder = temporaryDirectory(t);
  mkdirSync(join(folder, 'sub'));
  for (const path of [join(folder, 'sub'), join(folder, 'none/out')]) {
    await assert.rejects(checkOutput(path), (error) => isG8Error(error, 'ERR_CREATE'));
  }
  await checkOutput(join(folder, 'out'));
});
