import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import {
  describeProgress,
  type ProgressCounter,
  showPlain,
} from '../../../../src/cli/ui/progress.ts';

const MIB = 1024 * 1024;

function counter(done: number, total: number, unit: ProgressCounter['unit'] = 'bytes') {
  return { label: 'Storing', done, total, unit };
}

for (const [what, elapsedMs, expected] of [
  [counter(0, 40 * MIB), 100, 'Storing: 0 B of 40.0 MiB, 0%'],
  [counter(10 * MIB, 40 * MIB), 2000, 'Storing: 10.0 MiB of 40.0 MiB, 25%, 5.0 MiB/s, 6 s left'],
  [counter(40 * MIB, 40 * MIB), 8000, 'Storing: 40.0 MiB of 40.0 MiB, 100%, 5.0 MiB/s'],
  [counter(MIB, 400 * MIB), 1000, 'Storing: 1.0 MiB of 400 MiB, 0%, 1.0 MiB/s, 6 min 39 s left'],
  [counter(1234, 0, 'entries'), 1000, 'Storing: 1234 entries, 1234 entries/s'],
] as const) {
  test(`describeProgress() says '${expected}'`, () => {
    assert.equal(describeProgress(what, elapsedMs), expected);
  });
}

test('showPlain() prints whole lines at its interval and once at the end', async () => {
  const stderr = new PassThrough();
  const state = counter(0, 10 * MIB);
  const view = showPlain(stderr, state, 5);
  const keepAlive = setInterval(() => {}, 1000);
  await new Promise((resolve) => stderr.once('data', resolve));
  clearInterval(keepAlive);
  state.done = state.total;
  view.stop();
  view.stop();
  const rest = String(stderr.read());
  assert.match(rest, /^(Storing: .*\n)+$/);
  assert.equal(rest.match(/100%/g)?.length, 1);
});
