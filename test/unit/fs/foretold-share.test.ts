import assert from 'node:assert/strict';
import test from 'node:test';
import { foretoldShare } from '../../../src/fs/foresight/share.ts';

test('foretoldShare() is nothing for a store that is near or unknown, and half for one that is far', () => {
  const shares = [undefined, 0.2, 5, 8.5, 12, 300].map((answerMs) => foretoldShare(answerMs));
  assert.deepEqual(shares, [0, 0, 0, 0.25, 0.5, 0.5]);
});
