import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ContentRecord,
  decodeMeta,
  decodeRecord,
  decodeTotals,
  digestOfOwnedKey,
  digestOfUseKey,
  encodeJson,
  encodeRecord,
  ownedKey,
  useKey,
} from '../../../src/cache/records.ts';

const RECORD: ContentRecord = {
  complete: true,
  durable: false,
  pinned: true,
  algorithm: 3,
  blockSize: 524288,
  size: 2 ** 40 + 1,
  bytes: 4096,
  lastUseMs: 1_700_000_000_123,
};

test('decodeRecord() reads what encodeRecord() wrote', () => {
  assert.deepEqual(decodeRecord(encodeRecord(RECORD)), RECORD);
  const other = { ...RECORD, complete: false, durable: true, pinned: false, blockSize: 4096 };
  assert.deepEqual(decodeRecord(encodeRecord(other)), other);
  const owned = { ...RECORD, owner: 2 ** 32 - 1 };
  assert.deepEqual(decodeRecord(encodeRecord(owned)), owned);
});

test('decodeRecord() takes nothing that is not a record', () => {
  const value = encodeRecord(RECORD);
  assert.equal(decodeRecord(undefined), undefined);
  assert.equal(decodeRecord(value.subarray(1)), undefined);
  for (const [at, byte] of [
    [0, 2],
    [3, 11],
    [3, 23],
    [23, 0xff],
    [31, 0xff],
  ] as const) {
    const broken = Uint8Array.from(value);
    broken[at] = byte;
    assert.equal(decodeRecord(broken), undefined, `byte ${at}`);
  }
});

test('useKey() sorts by time', () => {
  const digest = new Uint8Array(32).fill(7);
  const keys = [0, 1, 255, 256, 1_700_000_000_000].map((ms) => Buffer.from(useKey(ms, digest)));
  assert.deepEqual([...keys].sort(Buffer.compare), keys);
  assert.deepEqual(digestOfUseKey(keys[3]!), digest);
});

test('ownedKey() sorts by owner, then by time', () => {
  const digest = new Uint8Array(32).fill(7);
  const places = [
    [1, 256],
    [1, 1_700_000_000_000],
    [255, 0],
    [2 ** 32 - 1, 1],
  ] as const;
  const keys = places.map(([owner, ms]) => Buffer.from(ownedKey(owner, ms, digest)));
  assert.deepEqual([...keys].sort(Buffer.compare), keys);
  assert.deepEqual(digestOfOwnedKey(keys[1]!), digest);
});

test('an unreadable meta value is an unclean shutdown of an unknown boot', () => {
  for (const text of ['', '{', 'null', '[]', '{"bootId":7,"clean":"yes"}']) {
    assert.deepEqual(decodeMeta(Buffer.from(text)), { bootId: '', clean: false });
  }
  const meta = { bootId: 'x', clean: true };
  assert.deepEqual(decodeMeta(encodeJson(meta)), meta);
});

test('decodeTotals() takes only counts', () => {
  const none = { files: 0, partialFiles: 0, bytes: 0, owned: {} };
  assert.deepEqual(decodeTotals(undefined), none);
  assert.deepEqual(decodeTotals(Buffer.from('{"files":-1,"bytes":"9","owned":7}')), none);
  assert.deepEqual(decodeTotals(Buffer.from('{"owned":{"7":5,"8":-1}}')), {
    ...none,
    owned: { 7: 5, 8: 0 },
  });
});
