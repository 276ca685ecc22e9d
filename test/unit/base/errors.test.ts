import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { G8Error, toG8Error } from '../../../src/base/errors.ts';

function failureOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('toG8Error() says of a system call why it failed, and the rest once', () => {
  const absent = failureOf(() => statSync('/nowhere/a.flist'));
  const { code, message, cause } = toG8Error(absent, 'ERR_IO', 'a.flist cannot be opened');
  assert.deepEqual(
    [code, message, cause],
    ['ERR_NO_INPUT', 'a.flist cannot be opened: no such file or directory', absent],
  );
  const folder = failureOf(() => readFileSync('/'));
  assert.equal(
    toG8Error(folder, 'ERR_IO', '/ cannot be read').message,
    '/ cannot be read: illegal operation on a directory',
  );
});

test('toG8Error() keeps other reasons and errors of ours as they are', () => {
  const other = new Error('connect ECONNREFUSED 127.0.0.1:1');
  assert.equal(toG8Error(other, 'ERR_IO', 'GET failed').message, `GET failed: ${other.message}`);
  const own = new G8Error('ERR_CONFIG', 'Own');
  assert.equal(toG8Error(own, 'ERR_IO', 'context'), own);
});

test('toG8Error() gives the reason of whoever has aborted a call of Node', async () => {
  const ending = new AbortController();
  const reading = readFile('/proc/self/status', { signal: ending.signal });
  const reason = new G8Error('ERR_ABORTED', 'Interrupted');
  ending.abort(reason);
  const error = await reading.catch((thrown: unknown) => thrown);
  assert.equal((error as Error).name, 'AbortError');
  assert.equal(toG8Error(error, 'ERR_IO', 'status cannot be read'), reason);
});
