import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitWords } from '../../../src/cli/words.ts';

test('splitWords() parts words at blanks, and keeps those in quotes and behind backslashes', () => {
  const lines: readonly (readonly [string, string[]])[] = [
    ['mkdir -p /srv', ['mkdir', '-p', '/srv']],
    ['\ta  b\r', ['a', 'b']],
    [`"a b" 'c d' e\\ f`, ['a b', 'c d', 'e f']],
    [`x"y z"'w' ""`, ['xy zw', '']],
    [`"a\\"b" '\\'`, ['a"b', '\\']],
    ['# all of it', []],
    ['a # the rest', ['a']],
    ['a#b', ['a#b']],
    ['', []],
  ];
  for (const [line, words] of lines) assert.deepEqual(splitWords(line), words, line);
});

test('splitWords() finds quotes that are not closed', () => {
  assert.equal(splitWords('a "b'), undefined);
  assert.equal(splitWords("it's"), undefined);
});
