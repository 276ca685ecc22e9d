import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plural } from '../../../src/base/plural.ts';

test('plural puts the word that fits behind a count', () => {
  assert.equal(plural(0, 'chunk'), '0 chunks');
  assert.equal(plural(1, 'chunk'), '1 chunk');
  assert.equal(plural(2, 'chunk'), '2 chunks');
  assert.equal(plural(1, 'directory', 'directories'), '1 directory');
  assert.equal(plural(12, 'directory', 'directories'), '12 directories');
});
