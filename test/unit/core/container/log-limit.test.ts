import assert from 'node:assert/strict';
import { appendFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { sleep } from '../../../../src/base/deadline.ts';
import { limitLog } from '../../../../src/core/container/log-limit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

test('limitLog() puts aside what is too much and lets the writer go on', async (context) => {
  const path = join(temporaryDirectory(context), 'log');
  writeFileSync(path, '');
  const errors: unknown[] = [];
  const end = limitLog(path, 100, (error) => errors.push(error));
  context.after(end);
  appendFileSync(path, 'x'.repeat(100));
  appendFileSync(path, 'y'.repeat(100));
  const deadline = performance.now() + 10_000;
  while (statSync(path).size > 0 && performance.now() < deadline) await sleep(5);
  assert.equal(statSync(path).size, 0);
  assert.ok(existsSync(`${path}.1`));
  appendFileSync(path, 'z');
  assert.equal(statSync(path).size, 1);
  assert.deepEqual(errors, []);
});
