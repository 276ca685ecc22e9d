/** The program as it is packed for users, beside the same commands of the sources. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { Script } from 'node:vm';
import { packageRoot } from '../../../src/native/package-root.ts';
import { PROGRAM, runCli } from '../../support/run-cli.ts';

const execute = promisify(execFile);

async function packed(...args: string[]) {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
  try {
    const options = { env, cwd: '/', timeout: 60_000 };
    return { code: 0, ...(await execute(process.execPath, [PROGRAM, ...args], options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

test('the packed program has all commands, and says and ends as the sources do', async () => {
  for (const words of [
    ['help'],
    ['help', 'core', 'run'],
    ['config', 'show', '--json'],
    ['flits'],
    ['flist', 'ls', '/nonexistent/a.flist'],
  ]) {
    const { stdoutBytes: _, ...expected } = await runCli(words, { HOME: '/nonexistent' });
    assert.deepEqual(await packed(...words), expected, words.join(' '));
  }
});

test('with --debug stacks of the packed program name the sources', async () => {
  const { stderr } = await packed('flist', 'ls', '/nonexistent/a.flist', '--debug');
  assert.match(stderr, /src\/cli\/main\.ts:\d+/);
});

test('what V8 has compiled of the programs that start often is taken again', () => {
  for (const name of ['g8ufs', 'mount-daemon']) {
    const path = join(packageRoot(), `dist/program/${name}.cjs`);
    const head = '(function (exports, require, module, __filename, __dirname) {';
    const cachedData = readFileSync(path.replace(/cjs$/, 'v8'));
    const script = new Script(`${head}${readFileSync(path, 'latin1')}\n})`, { cachedData });
    assert.equal(script.cachedDataRejected, false, name);
  }
});
