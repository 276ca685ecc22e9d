/** A hub that is killed while it works (the long form: `npm run bench -- hub-crash`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { crashHub } from '../../../benchmarks/support/hub-crash.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const PROGRAM = fileURLToPath(new URL('../../support/g8ufs.js', import.meta.url));
const ROUNDS = 8;

test('a hub that is killed again and again has what it has answered for', async (t) => {
  const dir = temporaryDirectory(t);
  const result = await crashHub({ program: [PROGRAM], dir, rounds: ROUNDS });
  assert.deepEqual(result.violations, []);
  // It was at work each time.
  assert(result.published > 0 && result.merged > 0 && result.chunks > 0, JSON.stringify(result));
});
