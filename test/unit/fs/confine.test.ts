import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';
import { confined, KEPT } from '../../../src/fs/confine.ts';

test('confined() leaves the daemons of users as they are: they need fusermount3', () => {
  assert.deepEqual(confined('/bin/cat', ['a', 'b'], 1000), ['/bin/cat', ['a', 'b']]);
});

const skip = process.getuid?.() === 0 ? false : 'needs root';
test('confined() starts a process of root with what it needs, for good', { skip }, async () => {
  const [program, args] = confined('/bin/cat', ['/proc/self/status']);
  const { stdout } = await promisify(execFile)(program, args);
  const kept = Object.values(KEPT).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
  const own = BigInt(`0x${/CapBnd:\t(\w+)/.exec(await ownStatus())?.[1]}`);
  for (const name of ['CapPrm', 'CapEff', 'CapBnd']) {
    const mask = BigInt(`0x${new RegExp(`${name}:\t(\\w+)`).exec(stdout)?.[1]}`);
    assert.equal(mask, kept & own, name);
  }
  assert.match(stdout, /NoNewPrivs:\t1/);
});

async function ownStatus(): Promise<string> {
  return (await promisify(execFile)('cat', ['/proc/self/status'])).stdout;
}
