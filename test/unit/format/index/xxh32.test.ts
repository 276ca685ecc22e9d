import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { xxh32 } from '../../../../src/format/index/xxh32.ts';
import { latin1 } from '../../../support/index-trees.ts';

describe('xxh32()', () => {
  test('digests nothing', () => {
    assert.equal(xxh32(new Uint8Array(0), 0), 0x02cc5d05);
  });

  test('digests less than a stripe', () => {
    assert.equal(xxh32(latin1('abc'), 0), 0x32d153ff);
  });

  test('digests several stripes and a rest', () => {
    assert.equal(xxh32(latin1('Nobody inspects the spammish repetition'), 0), 0xe2293b2f);
  });

  // Where EROFS says that its seed places these names.
  const places: readonly (readonly [bit: number, namespace: number, name: string])[] = [
    [0, 6, 'ima'],
    [2, 4, 'overlay.nlink'],
    [4, 1, 'overlay.nlink'],
    [7, 4, 'overlay.protattr'],
    [8, 6, 'apparmor'],
    [11, 6, 'selinux'],
    [12, 6, 'SMACK64TRANSMUTE'],
  ];
  for (const [bit, namespace, name] of places) {
    test(`places ${name} of namespace ${namespace} at bit ${bit} of an EROFS filter`, () => {
      assert.equal(xxh32(latin1(name), 0x25bbe08f + namespace) & 31, bit);
    });
  }
});
