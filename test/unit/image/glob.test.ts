import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { compileExcludes, compileName } from '../../../src/image/glob.ts';

const NAMES: readonly [pattern: string, name: string, matches: boolean][] = [
  ['*.so', 'libc.so', true],
  ['*.so', 'libc.so.6', false],
  ['lib?.so*', 'libc.so.6', true],
  ['*', '', true],
  ['?', 'ü', true],
  ['[a-c]x', 'bx', true],
  ['[!a-c]x', 'bx', false],
  ['[]x]', ']', true],
  ['[ab', '[ab', true],
  ['\\*', '*', true],
  ['\\*', 'x', false],
  ['a*b*c', 'aXbYbZc', true],
  ['a*b*c', 'aXbYbZ', false],
];

for (const [pattern, name, matches] of NAMES) {
  test(`compileName() lets ${pattern} ${matches ? 'match' : 'refuse'} '${name}'`, () => {
    assert.equal(compileName(pattern)(name), matches);
  });
}

test('compileName() stays fast on a pattern of many stars', () => {
  const matches = compileName(`${'*a'.repeat(500)}b`);
  const started = performance.now();
  assert.equal(matches('a'.repeat(4000)), false);
  assert.ok(performance.now() - started < 5000);
});

test('compileExcludes() matches a pattern without slash at every depth', () => {
  const excludes = compileExcludes(['*.pyc']);
  assert.equal(excludes('usr/lib/x.pyc', false), true);
  assert.equal(excludes('usr/lib/x.py', false), false);
});

test('compileExcludes() anchors a pattern with a slash at the top', () => {
  const excludes = compileExcludes(['/tmp/*']);
  assert.equal(excludes('tmp/x', false), true);
  assert.equal(excludes('tmp', true), false);
  assert.equal(excludes('var/tmp/x', false), false);
});

test('compileExcludes() lets ** cross folders and none at all', () => {
  const excludes = compileExcludes(['usr/**/test']);
  assert.equal(excludes('usr/test', true), true);
  assert.equal(excludes('usr/a/b/test', true), true);
  assert.equal(excludes('usr/a/b/tests', true), false);
});

test('compileExcludes() limits a pattern that ends with a slash to folders', () => {
  const excludes = compileExcludes(['cache/']);
  assert.equal(excludes('a/cache', true), true);
  assert.equal(excludes('a/cache', false), false);
});

test('compileExcludes() refuses a pattern that matches nothing', () => {
  assert.throws(
    () => compileExcludes(['/']),
    (error) => isG8Error(error, 'ERR_USAGE'),
  );
});
