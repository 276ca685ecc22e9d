/** What the audit makes of npm's answers, by a program of that name that gives them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { packageRoot } from '../../../src/native/package-root.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

function audit(t: TestContext, answer: string): { status: number | null; stdout: string } {
  const dir = temporaryDirectory(t);
  writeFileSync(join(dir, 'answer'), answer);
  writeFileSync(join(dir, 'npm'), `#!/bin/sh\ncat ${dir}/answer\nexit 1\n`, { mode: 0o755 });
  const env = { ...process.env, PATH: `${dir}${delimiter}${process.env['PATH']}` };
  const script = join(packageRoot(), 'scripts/audit.mjs');
  const { status, stdout } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
  return { status, stdout };
}

test('the audit fails for what is grave, and says all that is known', (t) => {
  const finding = (severity: string) =>
    JSON.stringify({ vulnerabilities: { a: { name: 'a', range: '<2', severity } } });
  assert.deepEqual(audit(t, finding('high')), { status: 1, stdout: 'audit: a <2: high\n' });
  assert.deepEqual(audit(t, finding('low')), { status: 0, stdout: 'audit: a <2: low\n' });
  const nothing = audit(t, JSON.stringify({ vulnerabilities: {} }));
  assert.deepEqual(nothing, { status: 0, stdout: 'audit: nothing is known\n' });
});

test('the audit passes without a registry that can be asked', (t) => {
  const error = { summary: '', detail: '' };
  for (const answer of [
    '',
    JSON.stringify({ message: 'request to http://r.example/ failed, reason: ENOTFOUND', error }),
    JSON.stringify({ message: 'network timeout at: http://r.example/', error }),
    JSON.stringify({ message: '405 Method Not Allowed', statusCode: 405, error }),
  ]) {
    const { status, stdout } = audit(t, answer);
    assert.equal(status, 0, answer);
    assert.match(stdout, /cannot be asked/);
  }
});

test('the audit fails when npm answers without findings', (t) => {
  for (const answer of [
    '{}',
    'null',
    'no JSON',
    JSON.stringify({ vulnerabilities: null }),
    JSON.stringify({ error: { code: 'ENOLOCK', summary: 'This command requires a lockfile' } }),
  ]) {
    const { status, stdout } = audit(t, answer);
    assert.equal(status, 1, answer);
    assert.match(stdout, /without findings/);
  }
});
