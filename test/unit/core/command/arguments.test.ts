import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Arguments,
  flag,
  integer,
  integers,
  object,
  text,
  textMap,
  texts,
} from '../../../../src/core/command/arguments.ts';
import { CommandError } from '../../../../src/core/command/error.ts';

const isBadRequest = (error: unknown): boolean =>
  error instanceof CommandError && error.code === 400;

test('arguments are what they are', () => {
  const args: Arguments = { t: 'a', n: 5, f: true, l: ['a'], i: [1], m: { K: 'V' }, o: { a: [] } };
  assert.equal(text(args, 't'), 'a');
  assert.equal(integer(args, 'n'), 5);
  assert.equal(flag(args, 'f'), true);
  assert.deepEqual(texts(args, 'l'), ['a']);
  assert.deepEqual(integers(args, 'i'), [1]);
  assert.deepEqual(textMap(args, 'm'), { K: 'V' });
  assert.deepEqual(object(args, 'o'), { a: [] });
});

test('a null is as good as nothing', () => {
  const args: Arguments = { t: null, n: null, f: null, l: null, i: null, m: null };
  assert.equal(text(args, 't', 'd'), 'd');
  assert.equal(integer(args, 'n', 7), 7);
  assert.equal(flag(args, 'f'), false);
  assert.deepEqual(texts(args, 'l'), []);
  assert.deepEqual(integers(args, 'i'), []);
  assert.deepEqual(textMap(args, 'm'), {});
});

test('arguments of another type, and missing ones, are bad requests', () => {
  const wrong: Arguments = { t: 1, n: 1.5, f: 'yes', l: [1], i: ['1'], m: { K: 1 }, o: [] };
  assert.throws(() => text(wrong, 't'), isBadRequest);
  assert.throws(() => integer(wrong, 'n'), isBadRequest);
  assert.throws(() => flag(wrong, 'f'), isBadRequest);
  assert.throws(() => texts(wrong, 'l'), isBadRequest);
  assert.throws(() => integers(wrong, 'i'), isBadRequest);
  assert.throws(() => textMap(wrong, 'm'), isBadRequest);
  assert.throws(() => object(wrong, 'o'), isBadRequest);
  assert.throws(() => text({}, 't'), isBadRequest);
  assert.throws(() => integer({}, 'n'), isBadRequest);
  assert.throws(() => text({}, 'constructor'), isBadRequest);
});
