import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { findProgram } from '../../../src/base/find-program.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('findProgram() gives the first file that can be run', async (t) => {
  const dir = temporaryDirectory(t);
  const [first, second, third] = ['first', 'second', 'third'].map((name) => {
    mkdirSync(join(dir, name));
    return join(dir, name);
  }) as [string, string, string];
  mkdirSync(join(first, 'tool'));
  writeFileSync(join(second, 'tool'), '', { mode: 0o644 });
  writeFileSync(join(third, 'tool'), '', { mode: 0o755 });
  const folders = ['', first, second, third];
  assert.equal(await findProgram('tool', folders), join(third, 'tool'));
  assert.equal(await findProgram('other', folders), undefined);
});

test('findProgram() looks for an absolute name there only', async (t) => {
  const dir = temporaryDirectory(t);
  writeFileSync(join(dir, 'tool'), '', { mode: 0o755 });
  assert.equal(await findProgram(join(dir, 'tool'), []), join(dir, 'tool'));
  assert.equal(await findProgram(join(dir, 'other'), [dir]), undefined);
});
