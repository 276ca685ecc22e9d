import assert from 'node:assert/strict';
import test from 'node:test';
import { containerCapabilities } from '../../../../src/core/container/capabilities.ts';

const ALL = 'CapBnd:\t000001ffffffffff\n';

test('containerCapabilities() gives ordinary containers thirteen', () => {
  const names = containerCapabilities(`Name:\tx\n${ALL}`, false);
  assert.deepEqual([names.length, names[0], names.at(-1)], [13, 'CAP_CHOWN', 'CAP_SETFCAP']);
  assert.ok(!names.includes('CAP_SYS_ADMIN'));
});

test('containerCapabilities() never gives what the process itself cannot give', () => {
  const withoutResource = containerCapabilities('CapBnd:\t000001fffeffffff\n', true);
  assert.equal(withoutResource.length, 40);
  assert.ok(!withoutResource.includes('CAP_SYS_RESOURCE'));
  assert.deepEqual(containerCapabilities('CapBnd:\t0000000000000021\n', false), [
    'CAP_CHOWN',
    'CAP_KILL',
  ]);
  assert.deepEqual(containerCapabilities('', true), []);
});
