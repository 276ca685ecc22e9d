import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputParser } from '../../../../src/core/job/output.ts';

/** Messages of a stdout that is read in these pieces. */
function messages(...reads: string[]): [level: number, text: string][] {
  const found: [number, string][] = [];
  const parser = new OutputParser(1, ({ level, text }) => found.push([level, text]));
  for (const read of reads) parser.push(read);
  parser.end();
  return found;
}

test('unmarked text is one message a read', () => {
  assert.deepEqual(messages('a\nb\n', 'c'), [
    [1, 'a\nb\n'],
    [1, 'c'],
  ]);
});

test('a marked line is a message of its level without its header', () => {
  assert.deepEqual(messages('a\n20::{"b":1}\nc\n'), [
    [1, 'a\n'],
    [20, '{"b":1}\n'],
    [1, 'c\n'],
  ]);
});

test('a marked line is joined over reads, wherever it is cut', () => {
  const source = '20::some text\n';
  for (let cut = 1; cut < source.length; cut++) {
    const reads = [source.slice(0, cut), source.slice(cut)];
    assert.deepEqual(messages(...reads), [[20, 'some text\n']], `cut at ${cut}`);
  }
});

test('a mark counts at the begin of a line only', () => {
  assert.deepEqual(messages('at 12::30\n', 'half ', '2::of it\n'), [
    [1, 'at 12::30\n'],
    [1, 'half '],
    [1, '2::of it\n'],
  ]);
});

test('a multi-line message ends with its terminator, wherever it is cut', () => {
  const source = '9:::one\ntwo\n:::\nthree\n';
  for (let cut = 1; cut < source.length; cut++) {
    const found = messages(source.slice(0, cut), source.slice(cut));
    assert.deepEqual(found[0], [9, 'one\ntwo\n'], `cut at ${cut}`);
    assert.equal(
      found
        .slice(1)
        .map(([, text]) => text)
        .join(''),
      'three\n',
    );
  }
});

test('what begins a line inside of a multi-line message is no header', () => {
  assert.deepEqual(messages('20:::\n1::a\n:::: \n:::\n'), [[20, '\n1::a\n:::: \n']]);
});

test('what is not finished is given out at the end', () => {
  assert.deepEqual(messages('20:::{"a":', '1}'), [[20, '{"a":1}']]);
  assert.deepEqual(messages('20::half'), [[20, 'half']]);
  assert.deepEqual(messages('20::'), [[20, '']]);
  assert.deepEqual(messages('20:::a\n:::'), [[20, 'a\n']]);
  assert.deepEqual(messages('20'), [[1, '20']]);
});

test('a message without an end is cut', () => {
  const piece = 'x'.repeat(1024 * 1024);
  const found = messages('9:::', ...Array.from({ length: 9 }, () => piece));
  assert.ok(found.every(([level, text]) => level === 9 && text.length <= 5 * 1024 * 1024));
  assert.equal(
    found.reduce((sum, [, text]) => sum + text.length, 0),
    9 * 1024 * 1024,
  );
  const line = messages('9::', ...Array.from({ length: 9 }, () => piece));
  assert.ok(line.length > 1);
});

test('a long read is more than one message', () => {
  assert.deepEqual(
    messages('x'.repeat(70_000)).map(([, text]) => text.length),
    [32_768, 32_768, 4464],
  );
});
