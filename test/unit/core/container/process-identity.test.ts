import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import {
  identify,
  isAlive,
  ownIdentity,
  sendSignal,
} from '../../../../src/core/container/process-identity.ts';

test('isAlive() tells a process from others that had or get its number', async () => {
  const own = ownIdentity();
  assert.equal(own.pid, process.pid);
  assert.equal(isAlive(own), true);
  assert.equal(isAlive({ ...own, startTicks: '1' }), false);
  assert.equal(isAlive({ ...own, boot: 'another' }), false);
  const child = spawn('sleep', ['60']);
  const identity = identify(child.pid as number);
  assert.ok(identity !== undefined && isAlive(identity));
  assert.equal(sendSignal({ ...identity, startTicks: '1' }, 'SIGKILL'), false);
  assert.equal(sendSignal(identity, 'SIGKILL'), true);
  await once(child, 'exit');
  assert.equal(isAlive(identity), false);
  assert.equal(sendSignal(identity, 'SIGKILL'), false);
  assert.equal(identify(identity.pid), undefined);
});
