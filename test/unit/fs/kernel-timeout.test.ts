import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { deadlineWithin, kernelTimeoutMs } from '../../../src/fs/kernel-timeout.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

for (const [byDefault, max, expected] of [
  ['0', '0', undefined],
  ['60', '0', 60_000],
  ['0', '45', 45_000],
  ['60', '45', 45_000],
  ['30', '45', 30_000],
  ['words', '-1', undefined],
  [undefined, undefined, undefined],
] as const) {
  test(`kernelTimeoutMs() is ${expected} with ${byDefault} by default and ${max} at most`, (t) => {
    const folder = temporaryDirectory(t);
    const write = (name: string, value: string | undefined): void => {
      if (value !== undefined) writeFileSync(join(folder, name), `${value}\n`);
    };
    write('default_request_timeout', byDefault);
    write('max_request_timeout', max);
    assert.equal(kernelTimeoutMs(folder), expected);
  });
}

test('deadlineWithin() stays below what the kernel waits, twice', () => {
  assert.equal(deadlineWithin(30_000, undefined), 30_000);
  assert.equal(deadlineWithin(30_000, 20_000), 7_500);
  assert.equal(deadlineWithin(5_000, 20_000), 5_000);
});
