import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { blake2b } from '../../src/base/blake2b.ts';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { CODEC, type Codec } from '../../src/base/codec.ts';
import { isG8Error } from '../../src/base/errors.ts';
import type { DecodeRequest } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { compressible, encode, fileWith, requestOf } from '../support/encoded-chunk.ts';

const CODECS: readonly Codec[] = [CODEC.zstd, CODEC.legacyG1, CODEC.legacyG2];
const BLOCK = 4096;

/** Chunks of the historical tools: codec, plain text, plain digest, stored bytes, id. */
const VECTORS: readonly (readonly [Codec, string, string, string, string])[] = [
  [
    CODEC.legacyG2,
    'A',
    'f96658555f24a7608e17d9d14603e79c',
    '25cae844e82dcdf7',
    'ce632548a78b6d206e5478fbd92ea7ec',
  ],
  [
    CODEC.legacyG2,
    'abc',
    'cf4ab791c62b8d2b2109c90275287816',
    '36bff5d08fe2aca1b737ded2',
    '236a13f7d70735ff56fe66201bf4928a',
  ],
  [
    CODEC.legacyG2,
    'abcd',
    'd2c8e95841ccbc0c3cb3edc9201a6981',
    '1e8a4b1a996e834b64100522',
    '531e0183e42d9187857f4c2a1fa15be6',
  ],
  [
    CODEC.legacyG2,
    'abcde',
    'a3a3b5a38cf9a32f84b9991697f45702',
    'c51a36ea2bcf2c4c9db6fe8b',
    'dc66cba9501b4d1c971824a6e6f0825c',
  ],
  [
    CODEC.legacyG2,
    'Hello, World!\n',
    'b822479585b48b3211ca913ac1ca4919',
    '3ded35cbb2cf0fd9d4f29c75b2e70b974946b79e',
    'c30b30ad18de5f221604f34638a5d63f',
  ],
  [
    CODEC.legacyG2,
    'Z',
    '926214df7f2869c67f4a8a2e52d4b9da',
    'ab6a14707b97e437',
    '17fd7aac51a79b5d344fde418bcc6220',
  ],
  [
    CODEC.legacyG2,
    'nul key vector 276',
    'a5f4c000e2e549142c6121a5dce9a9b5',
    'fdf6694f4a835c4fdefbd794f480361eaa3aa84ae2a64b49',
    '18b680279aca0379356d473aa9dce536',
  ],
  [
    CODEC.legacyG1,
    'A',
    '559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd',
    '31303030303030303636636538383461c4edaafab6bccc3f',
    'cbe5114556f675f983a5ea050b13969b879d95ca95b322415aa4b8ba6a1f25e8',
  ],
  [
    CODEC.legacyG1,
    'abcd',
    '88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589',
    '313030303030303062376364653965640372786b4efcde278ce2ea25',
    '42fdaf3ac3da9109c08a3076023b9d8907ef7b4b89d61b909dd869b510d1195b',
  ],
  [
    CODEC.legacyG1,
    'Hello, World!\n',
    'c98c24b677eff44860afea6f493bbaec5bb1c4cbb209c6fc2bbb47f66ff2ad31',
    '31303030303030306133396639643839bfbf0d8d1423af22f81913d998e2cc22d78d8eeb',
    'd0fffa1a5e68004df0e8187cd367679635cce5ef1d7759db5a4047f09f956d48',
  ],
];

/** Asserts that decoding ends with ERR_CHUNK_CORRUPT and returns the stage. */
async function corruptStage(request: DecodeRequest): Promise<unknown> {
  const error = await addon()
    .decodeChunk(request)
    .then(() => undefined)
    .catch((reason: unknown) => reason);
  assert.ok(isG8Error(error, 'ERR_CHUNK_CORRUPT'), `not corrupt: ${String(error)}`);
  assert.equal(error.details['id'], toHex(request.id));
  return error.details['stage'];
}

describe('blake2b()', () => {
  it('gives the same digests as the implementation in pure code', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 1000 }),
        fc.integer({ min: 16, max: 64 }),
        (data, size) => {
          assert.deepEqual(addon().blake2b(data, size), blake2b(data, size));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('encodeChunk()', () => {
  for (const [codec, text, plainDigest, stored, id] of VECTORS) {
    it(`gives the historical bytes of ${JSON.stringify(text)} with codec ${codec}`, async (context) => {
      const chunk = await encode(context, codec, Buffer.from(text));
      assert.equal(toHex(chunk.plainDigest), plainDigest);
      assert.equal(toHex(chunk.stored), stored);
      assert.equal(toHex(chunk.id), id);
    });
  }

  it('stores a frame and names it by its bytes', async (context) => {
    const plain = compressible(100000);
    const chunk = await encode(context, CODEC.zstd, plain);
    assert.ok(chunk.stored.length < 95000);
    assert.deepEqual(chunk.id, blake2b(chunk.stored, 32));
    assert.deepEqual(chunk.plainDigest, blake2b(plain, 32));
  });

  it('stores raw bytes when a frame is not 5 % smaller', async (context) => {
    const plain = createHash('sha512').update('seed').digest();
    const chunk = await encode(context, CODEC.zstd, plain);
    assert.deepEqual(Buffer.from(chunk.stored), plain);
    assert.deepEqual(chunk.id, chunk.plainDigest);
  });

  it('reports zeros as a hole', async (context) => {
    const chunk = await encode(context, CODEC.zstd, new Uint8Array(BLOCK));
    assert.deepEqual(chunk, {
      hole: true,
      plainDigest: new Uint8Array(0),
      id: new Uint8Array(0),
      stored: new Uint8Array(0),
    });
  });

  it('stores zeros for historical readers, which know no holes', async (context) => {
    for (const codec of [CODEC.legacyG1, CODEC.legacyG2]) {
      const chunk = await encode(context, codec, new Uint8Array(BLOCK));
      assert.equal(chunk.hole, false);
      const decoded = await addon().decodeChunk(requestOf(codec, chunk, BLOCK));
      assert.deepEqual(decoded, new Uint8Array(BLOCK));
    }
  });

  it('reads at the offset and compresses harder at a higher level', async (context) => {
    const plain = Buffer.from(Array.from({ length: 20000 }, (_, i) => `${i * 7919}\n`).join(''));
    const { fd } = fileWith(context, Buffer.concat([Buffer.alloc(100, 'x'), plain]));
    const request = { fd, offset: 100, length: plain.length, codec: CODEC.zstd };
    const fast = await addon().encodeChunk({ ...request, level: 1 });
    const small = await addon().encodeChunk({ ...request, level: 19 });
    assert.deepEqual(fast.plainDigest, small.plainDigest);
    assert.ok(small.stored.length < fast.stored.length);
  });

  it('makes the same chunk of bytes in memory as of those in a file', async (context) => {
    const plain = compressible(30000);
    for (const codec of CODECS) {
      const data = Buffer.concat([Buffer.from('before'), plain]).subarray(6);
      assert.deepEqual(
        await addon().encodeChunk({ data, codec }),
        await encode(context, codec, plain),
      );
    }
    const hole = await addon().encodeChunk({ data: new Uint8Array(BLOCK), codec: CODEC.zstd });
    assert.equal(hole.hole, true);
    assert.equal(hole.stored.length, 0);
  });

  it('throws for data that is empty, too large or no bytes', () => {
    for (const size of [0, 4 * 2 ** 20 + 1]) {
      const request = { data: new Uint8Array(size), codec: CODEC.zstd };
      assert.throws(() => addon().encodeChunk(request), RangeError);
    }
    const request = { data: 'text', codec: CODEC.zstd } as never;
    assert.throws(() => addon().encodeChunk(request), TypeError);
  });

  it('rejects with ERR_IO when the file is shorter than asked', async (context) => {
    const { fd } = fileWith(context, new Uint8Array(10).fill(1));
    const request = { fd, offset: 5, length: 6, codec: CODEC.zstd };
    await assert.rejects(addon().encodeChunk(request), { code: 'ERR_IO' });
  });

  it('throws for lengths, codecs and levels that do not exist', () => {
    const good = { fd: 0, offset: 0, length: 1, codec: CODEC.zstd };
    for (const bad of [
      { length: 0 },
      { length: 4 * 2 ** 20 + 1 },
      { codec: 0 },
      { codec: 4 },
      { level: 0 },
      { level: 23 },
      { offset: -1 },
      { fd: -1 },
    ]) {
      assert.throws(() => addon().encodeChunk({ ...good, ...bad } as never), RangeError);
    }
  });
});

describe('decodeChunk()', () => {
  for (const [codec, text, plainDigest, stored, id] of VECTORS) {
    it(`reads the historical chunk of ${JSON.stringify(text)} with codec ${codec}`, async () => {
      const plain = await addon().decodeChunk({
        codec,
        stored: fromHex(stored)!,
        id: fromHex(id)!,
        plainDigest: fromHex(plainDigest)!,
        plainSize: text.length,
      });
      assert.equal(Buffer.from(plain).toString(), text);
    });
  }

  it('returns what was encoded', async (context) => {
    const content = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 9000 }),
      fc.integer({ min: 1, max: 300_000 }).map(compressible),
    );
    await fc.assert(
      fc.asyncProperty(content, fc.constantFrom(...CODECS), async (plain, codec) => {
        const chunk = await encode(context, codec, plain);
        if (chunk.hole) return assert.ok(plain.every((byte) => byte === 0));
        const decoded = await addon().decodeChunk(requestOf(codec, chunk, plain.length));
        assert.deepEqual(decoded, plain);
      }),
      { numRuns: 150 },
    );
  });

  for (const codec of CODECS) {
    it(`rejects a flipped bit with codec ${codec}`, async (context) => {
      const plain = compressible(1000);
      const chunk = await encode(context, codec, plain);
      const stored = chunk.stored.slice();
      stored[stored.length - 3]! ^= 0x10;
      assert.equal(await corruptStage({ ...requestOf(codec, chunk, 1000), stored }), 'id');
    });

    it(`rejects bytes that fit their id and do not decode with codec ${codec}`, async () => {
      const body = new Uint8Array(64).fill(0x5a);
      const g1 = codec === CODEC.legacyG1;
      const size = codec === CODEC.legacyG2 ? 16 : 32;
      const id = g1
        ? new Uint8Array(createHash('sha256').update(body).digest())
        : blake2b(body, size);
      const stored = g1 ? Buffer.concat([Buffer.from('1000000012345678'), body]) : body;
      const request = { codec, stored, id, plainDigest: new Uint8Array(size), plainSize: 1000 };
      assert.equal(await corruptStage(request), 'decode');
    });

    it(`rejects bytes that decode to something else with codec ${codec}`, async (context) => {
      const chunk = await encode(context, codec, compressible(1000));
      const plainDigest = chunk.plainDigest.slice();
      plainDigest[plainDigest.length - 1]! ^= 1;
      // A G2 digest is the whole key: with another one the bytes cannot be decrypted.
      const stage = codec === CODEC.legacyG2 ? 'decode' : 'digest';
      assert.equal(await corruptStage({ ...requestOf(codec, chunk, 1000), plainDigest }), stage);
    });

    it(`rejects a wrong plain size and an empty chunk with codec ${codec}`, async (context) => {
      const chunk = await encode(context, codec, compressible(1000));
      for (const plainSize of [1, 999, 1001, 4 * 2 ** 20]) {
        await corruptStage(requestOf(codec, chunk, plainSize));
      }
      await corruptStage({ ...requestOf(codec, chunk, 1000), stored: new Uint8Array(0) });
    });
  }

  it('reads a legacy chunk whose id another compressor would give', async (context) => {
    for (const codec of [CODEC.legacyG1, CODEC.legacyG2]) {
      const chunk = await encode(context, codec, compressible(1000));
      const id = new Uint8Array(chunk.id.length);
      const plain = await addon().decodeChunk({ ...requestOf(codec, chunk, 1000), id });
      assert.deepEqual(plain, compressible(1000));
    }
  });

  it('throws for digests of the wrong length', () => {
    const request = { codec: CODEC.zstd, stored: new Uint8Array(1), plainSize: 1 };
    const good = new Uint8Array(32);
    const bad = new Uint8Array(16);
    assert.throws(
      () => addon().decodeChunk({ ...request, id: bad, plainDigest: good }),
      RangeError,
    );
    assert.throws(
      () => addon().decodeChunk({ ...request, id: good, plainDigest: bad }),
      RangeError,
    );
  });
});
