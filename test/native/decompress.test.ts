import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { G8Error } from '../../src/base/errors.ts';
import {
  decodeStream,
  decompress,
  detectCompression,
  encodeStream,
} from '../../src/image/decompress.ts';
import { addon } from '../../src/native/load.ts';

async function* inPieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

function filter(program: string, args: string[], input: Uint8Array): Buffer {
  return execFileSync(program, args, { input, maxBuffer: 2 ** 28 });
}

const plain = Buffer.concat(
  Array.from({ length: 3000 }, (_, i) =>
    createHash('sha256')
      .update(`${i >> 1}`)
      .digest(),
  ),
);
const half = plain.length / 2;
const [first, second] = [plain.subarray(0, half), plain.subarray(half)];
const SKIPPABLE = Buffer.from('502a4d180400000000000000', 'hex');

/** Each made by the program that everybody has. */
const PACKED: Readonly<Record<string, Uint8Array>> = {
  plain,
  gzip: gzipSync(plain),
  'gzip of two members': Buffer.concat([gzipSync(first), gzipSync(second)]),
  zstd: filter('zstd', ['-q', '--check'], plain),
  'zstd of two frames and skippable ones': Buffer.concat([
    SKIPPABLE,
    filter('zstd', ['-q', '-19'], first),
    SKIPPABLE,
    filter('zstd', ['-q', '--fast=3'], second),
  ]),
  xz: filter('xz', ['-9'], plain),
  'xz of two streams with padding': Buffer.concat([
    filter('xz', ['-0', '--check=sha256'], first),
    Buffer.alloc(8),
    filter('xz', ['-T2'], second),
  ]),
};

describe('decompress()', () => {
  for (const [name, packed] of Object.entries(PACKED)) {
    it(`reads ${name}, however it is cut into pieces`, async () => {
      for (const size of [packed.length, 4096, 61]) {
        assert.deepEqual(await collect(decompress(inPieces(packed, size), addon())), plain);
      }
    });
    if (name === 'plain') continue;

    it(`rejects ${name} that is cut off`, async () => {
      const cutOff = packed.subarray(0, -1);
      const rejected = { code: 'ERR_FLIST_FORMAT' };
      await assert.rejects(collect(decompress(inPieces(cutOff), addon())), rejected);
    });
  }

  it('takes short and empty streams as plain', async () => {
    for (const text of ['', 'a', 'BZ', '\x1f']) {
      const bytes = Buffer.from(text, 'latin1');
      assert.deepEqual(await collect(decompress(inPieces(bytes, 1), addon())), bytes);
    }
  });

  it('names a compression that it cannot read', async () => {
    const bzip2 = Buffer.from('BZh91AY&SY');
    await assert.rejects(collect(decompress(inPieces(bzip2), addon())), {
      code: 'ERR_FLIST_FORMAT',
      message: 'Compression with bzip2 is not supported',
    });
  });

  it('ends the source when its reader stops', async () => {
    for (const packed of Object.values(PACKED)) {
      let isEnded = false;
      async function* source(): AsyncGenerator<Uint8Array> {
        try {
          yield* inPieces(packed, 1000);
        } finally {
          isEnded = true;
        }
      }
      for await (const _ of decompress(source(), addon())) break;
      assert.ok(isEnded);
    }
  });

  it('passes on what the source throws', async () => {
    for (const packed of Object.values(PACKED)) {
      const error = new G8Error('ERR_TIMEOUT', 'No answer');
      async function* source(): AsyncGenerator<Uint8Array> {
        yield packed.subarray(0, 2000);
        throw error;
      }
      await assert.rejects(collect(decompress(source(), addon())), (thrown) => thrown === error);
    }
  });

  it('gives a bomb out in pieces of bounded size', async () => {
    const zeros = Buffer.alloc(2 ** 27);
    for (const bomb of [gzipSync(zeros), filter('zstd', ['-q'], zeros), filter('xz', [], zeros)]) {
      let total = 0;
      for await (const piece of decompress(inPieces(bomb), addon())) {
        assert.ok(piece.length <= 2 ** 20);
        total += piece.length;
      }
      assert.equal(total, zeros.length);
    }
  });
});

describe('encodeStream()', () => {
  it('gives the same frame for all cuts, which decodes to the bytes', async () => {
    const data = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(data, fc.integer({ min: 1, max: 19 }), async (bytes, level) => {
        const packed = await collect(encodeStream('zstd', level, inPieces(bytes), addon()));
        const cut = await collect(encodeStream('zstd', level, inPieces(bytes, 7), addon()));
        assert.deepEqual(cut, packed);
        const decoded = await collect(decodeStream('zstd-decode', inPieces(packed), addon()));
        assert.deepEqual(new Uint8Array(decoded), bytes);
      }),
      { numRuns: 30 },
    );
  });

  it('is read by the program', async () => {
    const packed = await collect(encodeStream('zstd', 3, inPieces(plain, 1000), addon()));
    assert.equal(detectCompression(packed), 'zstd');
    assert.deepEqual(filter('zstd', ['-dcq'], packed), plain);
  });
});
