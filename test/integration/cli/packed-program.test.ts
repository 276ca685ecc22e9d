/** The program as it is packed for users, beside the same commands of the sources. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Script } from 'node:vm';
import { packageRoot } from '../../../src/native/package-root.ts';
import { runChild, runCli } from '../../support/run-cli.ts';

const HOME = { HOME: '/nonexistent' };

test('the packed program has all commands, and says and ends as the sources do', async () => {
  for (const words of [
    ['help'],
    ['help', 'core', 'run'],
    ['core', 'run', '--help'],
    ['mount', '--help'],
    ['umount', '/nonexistent'],
    ['config', 'show', '--json'],
    ['flits'],
    ['flist', 'ls', '/nonexistent/a.flist'],
  ]) {
    const [expected, packed] = [await runCli(words, HOME), await runChild(words, HOME)];
    assert.deepEqual(packed, expected, words.join(' '));
  }
});

test('with --debug stacks of the packed program name the sources', async () => {
  const { stderr } = await runChild(['flist', 'ls', '/nonexistent/a.flist', '--debug'], HOME);
  assert.match(stderr, /src\/cli\/main\.ts:\d+/);
});

test('what V8 has compiled of the programs that start often is taken again', () => {
  for (const name of ['g8ufs', 'core-run', 'mount', 'mount-daemon']) {
    const path = join(packageRoot(), `dist/program/${name}.cjs`);
    const head = '(function (exports, require, module, __filename, __dirname) {';
    const cachedData = readFileSync(path.replace(/cjs$/, 'v8'));
    const script = new Script(`${head}${readFileSync(path, 'latin1')}\n})`, { cachedData });
    assert.equal(script.cachedDataRejected, false, name);
  }
});
