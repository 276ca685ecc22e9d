import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c, crc32cUpdate } from '../../../src/base/crc32c.ts';

// RFC 3720, appendix B.4.
for (const [name, data, expected] of [
  ['zeros', new Uint8Array(32), 0x8a9136aa],
  ['ones', new Uint8Array(32).fill(255), 0x62a8ab43],
  ['ascending bytes', new Uint8Array(32).map((_, i) => i), 0x46dd794e],
  ['descending bytes', new Uint8Array(32).map((_, i) => 31 - i), 0x113fdb5c],
  ['nothing', new Uint8Array(0), 0],
  ['nine digits', Buffer.from('123456789'), 0xe3069283],
] as const) {
  test(`crc32c() of ${name}`, () => assert.equal(crc32c(data), expected));
}

test('crc32cUpdate() continues at any place', () => {
  const data = new Uint8Array(41).map((_, i) => i * 37);
  for (let at = 0; at <= data.length; at++) {
    const first = crc32cUpdate(0xffffffff, data.subarray(0, at));
    assert.equal(~crc32cUpdate(first, data.subarray(at)) >>> 0, crc32c(data));
  }
});
