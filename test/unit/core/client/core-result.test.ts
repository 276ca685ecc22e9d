import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isG8Error } from '../../../../src/base/errors.ts';
import { commandValue, parseRecord, parseResult } from '../../../../src/core/client/core-result.ts';

const ANSWER = {
  ...{ id: 'a1', command: 'core.ping', data: '"PONG"', level: 20, state: 'SUCCESS', code: 0 },
  ...{ starttime: 1795426645303, time: 0, tags: null, container: 0 },
};

function result(changes: object = {}) {
  return parseResult(JSON.stringify({ ...ANSWER, ...changes }));
}

function fails(code: ErrorCode, message?: RegExp) {
  return (error: unknown): boolean =>
    isG8Error(error, code) && (message === undefined || message.test(error.message));
}

test('parseResult() fills in what a result may leave out', () => {
  const { stdout, stderr, critical, startMs } = result();
  assert.deepEqual([stdout, stderr, critical, startMs], ['', '', '', 1795426645303]);
  assert.equal(result({ streams: ['out\n', 'err\n'] }).stderr, 'err\n');
});

test('parseResult() and parseRecord() refuse what makes no sense', () => {
  for (const text of ['', '{}', '[]', JSON.stringify({ ...ANSWER, data: null })]) {
    assert.throws(() => parseResult(text), fails('ERR_PROTOCOL'), text);
  }
  assert.throws(() => parseRecord('{"core":0}'), fails('ERR_PROTOCOL'));
});

test('commandValue() gives the value, or an error with the number of the failure', () => {
  assert.equal(commandValue(result()), 'PONG');
  const missing = { state: 'ERROR', code: 404, data: '"no such thing"' };
  assert.throws(
    () => commandValue(result(missing)),
    (error) =>
      isG8Error(error, 'ERR_NO_INPUT') &&
      error.message === 'core.ping failed: no such thing' &&
      error.details['commandCode'] === 404,
  );
  assert.throws(() => commandValue(result({ state: 'ERROR', code: 500 })), fails('ERR_IO'));
  assert.throws(() => commandValue(result({ state: 'ERROR', code: 400 })), fails('ERR_USAGE'));
  const process = { state: 'ERROR', code: 1003, data: '', level: 0, streams: ['', 'a\nno\n'] };
  assert.throws(() => commandValue(result(process)), fails('ERR_IO', /failed: no$/));
  assert.throws(() => commandValue(result({ state: 'TIMEOUT', code: 999 })), fails('ERR_TIMEOUT'));
  assert.throws(() => commandValue(result({ state: 'UNKNOWN_CMD', data: '' })), fails('ERR_USAGE'));
  assert.throws(() => commandValue(result({ level: 0 })), fails('ERR_PROTOCOL'));
  assert.throws(() => commandValue(result({ data: '{' })), fails('ERR_PROTOCOL'));
});

test('parseRecord() takes level and end out of one number', () => {
  const record = (meta: number): string =>
    `{"core":3,"command":"j","message":{"message":"hi\\n","epoch":1795426645306848621,"meta":${meta}}}`;
  assert.deepEqual(parseRecord(record(65537)), {
    ...{ core: 3, job: 'j', text: 'hi\n', level: 1, isEnd: false },
  });
  assert.deepEqual(
    [65539, 131077, 1310723, 1310725].map((meta) => {
      const { level, isEnd } = parseRecord(record(meta));
      return [level, isEnd];
    }),
    [
      [1, true],
      [2, true],
      [20, true],
      [20, true],
    ],
  );
});
