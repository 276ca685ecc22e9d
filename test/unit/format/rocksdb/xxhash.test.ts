/** Vectors of an independent implementation, for inputs of bytes (31 i² + 7 i) mod 256. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxh3 } from '../../../../src/format/rocksdb/xxh3.ts';
import { xxh32, xxh64 } from '../../../../src/format/rocksdb/xxhash.ts';

const VECTORS = [
  [0, 0x02cc5d05, 0xef46db3751d8e999n, 0x2d06800538d394c2n],
  [1, 0xcf65b03e, 0xe934a84adb052768n, 0xc44bdff4074eecdbn],
  [3, 0x45359d6a, 0x9d966a97baccf29an, 0x1729c78f56ec7369n],
  [4, 0xf7c6a2ef, 0xc65f94d12ce17d30n, 0xe5097d6d2a406dden],
  [8, 0x39e9f3c1, 0xa5dcb0145d06632dn, 0x89b9b1111ecd5976n],
  [9, 0x647a5551, 0xbd47b17e4232c7a8n, 0x442f901347eac6d7n],
  [15, 0x658af3ac, 0x693c47ba73ecee2fn, 0x125ef2dfd85d52d3n],
  [16, 0xe2f07a2c, 0x30464d4471800df6n, 0x3e094ab84274d7e2n],
  [17, 0x11624a57, 0x0d4b28b71992f4f9n, 0xf023ce206c53cb88n],
  [31, 0x4b96f871, 0xd57d4f875127a3e3n, 0x94a5da1595b83f2an],
  [32, 0xb0b0804d, 0x15c2d9802b73abecn, 0x4e0f827a00305880n],
  [64, 0x88c50c42, 0xaeae73b68bf266f5n, 0x5926c2c628b8bd40n],
  [65, 0xc08bb654, 0x916eec916947b250n, 0x0bc4c752a7c50505n],
  [96, 0x68746395, 0xc49e362c4a7ef04an, 0xbef5df716e3026den],
  [128, 0x8084bdc8, 0x4e6a9982349bbe71n, 0x74cc793e51cbbf70n],
  [129, 0x723540cc, 0x64ea2491e3f70a20n, 0x896bc9b5ee9a02den],
  [200, 0x4e40f04e, 0xe985ee0fc360cb91n, 0xe57fa327d3119e3an],
  [240, 0xc488442a, 0xe57c3530995adda2n, 0x168ac2eea3381b59n],
  [241, 0xe0cc0798, 0xfb99f1e9aebe8bban, 0x5f15f12e172b51fan],
  [1024, 0x34e0995d, 0x20a5e36d2993b265n, 0xdf9de2ebc1670ac5n],
  [1025, 0xccfe6a8f, 0x22986cc4328603bfn, 0x64ecf56726c135b0n],
  [5000, 0xb74874d4, 0x8cc388b01d2a2aadn, 0xbec27b4bd38a8a28n],
] as const;

for (const [size, expected32, expected64, expected3] of VECTORS) {
  const input = new Uint8Array(size).map((_, i) => (i * i * 31 + i * 7) & 255);
  test(`xxh32() of ${size} bytes`, () => assert.equal(xxh32(input), expected32));
  test(`xxh64() of ${size} bytes`, () => assert.equal(xxh64(input), expected64));
  test(`xxh3() of ${size} bytes`, () => assert.equal(xxh3(input), expected3));
}
