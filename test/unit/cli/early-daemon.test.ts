import assert from 'node:assert/strict';
import test from 'node:test';
import { flagWords } from '../../../src/cli/early-daemon.ts';

const NOT_ROOT = process.getuid?.() !== 0 && 'only root runs containers';

test('flagWords() gives all words behind mount', () => {
  assert.deepEqual(flagWords(['mount', 'a.flist', '/mnt', '--cache', '/c']), [
    ...['a.flist', '/mnt', '--cache', '/c'],
  ]);
});

test('flagWords() leaves the words of a container to it', { skip: NOT_ROOT }, () => {
  const own = ['-t', '--cache', '/c', '-e', 'A=b', '--memory=1GiB', '--privileged'];
  for (const rest of [['a.flist', 'tool', '--cache', '/x'], ['--', 'a.flist'], []]) {
    assert.deepEqual(flagWords(['core', 'run', ...own, ...rest]), own);
  }
});

test('flagWords() knows no other command', () => {
  for (const argv of [[], ['umount', '/mnt'], ['core', 'ps'], ['run', 'mount']]) {
    assert.equal(flagWords(argv), undefined);
  }
});
