import assert from 'node:assert/strict';
import test from 'node:test';
import { CODES, type ErrorCode, G8Error } from '../../../src/base/errors.ts';
import { formatFailure, reportOf } from '../../../src/cli/exit.ts';

const PLAIN = { json: false, debug: false };

for (const code of Object.keys(CODES) as ErrorCode[]) {
  test(`reportOf() gives ${code} the exit code of the table`, () => {
    assert.equal(reportOf(new G8Error(code, 'Something')).exitCode, CODES[code].exitCode);
  });
}

test('reportOf() calls an error without a code a fault of the program', () => {
  const { code, exitCode, message } = reportOf(new TypeError('x is undefined'));
  assert.deepEqual([code, exitCode], ['ERR_INTERNAL', 70]);
  assert.equal(message, 'Internal error: TypeError: x is undefined');
});

test('reportOf() takes a system error for what it means', () => {
  const error = Object.assign(new Error('ENOENT: no such file'), {
    code: 'ENOENT',
    syscall: 'open',
    path: '/x',
  });
  assert.equal(reportOf(error).code, 'ERR_NO_INPUT');
});

test('reportOf() takes an abort for one', () => {
  assert.equal(reportOf(new DOMException('Aborted', 'AbortError')).exitCode, 130);
});

test('formatFailure() is one line, whatever the message holds', () => {
  const error = new G8Error('ERR_NO_INPUT', 'File a\nb\u001b[31m\u2028c does not exist');
  assert.equal(
    formatFailure(error, PLAIN),
    'g8ufs: File a b [31m c does not exist (ERR_NO_INPUT)\n',
  );
});

test('formatFailure() is one JSON object with json', () => {
  const error = new G8Error('ERR_TIMEOUT', 'Too late', { details: { timeoutMs: 5 } });
  const text = formatFailure(error, { json: true, debug: false });
  assert.equal(text.indexOf('\n'), text.length - 1);
  assert.deepEqual(JSON.parse(text), {
    type: 'error',
    code: 'ERR_TIMEOUT',
    message: 'Too late',
    exitCode: 75,
    details: { timeoutMs: 5 },
  });
});

test('formatFailure() shows causes and stacks with debug only', () => {
  const error = new G8Error('ERR_IO', 'Outer', { cause: new Error('the inner reason') });
  assert.doesNotMatch(formatFailure(error, PLAIN), /inner reason/);
  assert.match(
    formatFailure(error, { json: false, debug: true }),
    /the inner reason\n.*exit\.test/s,
  );
});
