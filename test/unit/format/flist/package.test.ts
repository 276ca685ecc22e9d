import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, type Header, pack } from 'tar-stream';

import { isG8Error } from '../../../../src/base/errors.ts';
import {
  collectFlist,
  detectGeneration,
  isPackageMember,
  packFlist,
  unpackFlist,
} from '../../../../src/format/flist/package.ts';
import { bytes } from '../../../support/flist-trees.ts';

const isFormatError = (error: unknown) => isG8Error(error, 'ERR_FLIST_FORMAT');

async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Hands out a buffer in pieces of `size` bytes. */
async function* pieces(buffer: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < buffer.length; at += size) yield buffer.subarray(at, at + size);
}

/** A tar by another writer. */
function tar(members: readonly (Partial<Header> & { name: string; text?: string })[]) {
  const writer = pack();
  for (const { text = '', ...header } of members) writer.entry(header, text);
  writer.finalize();
  return all(writer as AsyncIterable<Buffer>);
}

const member = (name: string, text: string) => ({
  name,
  size: bytes(text).length,
  data: [bytes(text)],
});

const names = async (buffer: Uint8Array, options = {}) => [
  ...(await collectFlist(pieces(buffer), options)).keys(),
];

test('packFlist() writes what collectFlist() reads, compressed or not', async () => {
  for (const compression of ['gzip', 'none'] as const) {
    const members = [member('CURRENT', 'x'), member('000001.sst', 'y'.repeat(1_000_000))];
    const packed = await all(packFlist(members, { compression }));
    assert.equal(packed.readUInt16BE(0) === 0x1f8b, compression === 'gzip');
    const read = await collectFlist(pieces(packed));
    assert.deepEqual(read.get('CURRENT'), bytes('x'));
    assert.deepEqual(read.get('000001.sst'), bytes('y'.repeat(1_000_000)));
  }
});

test('packFlist() orders members so that the mount index comes first', async () => {
  const given = [
    'metadata.json',
    'router.yaml',
    '000002.sst',
    'MANIFEST-000001',
    'CURRENT',
    '000001.sst',
  ];
  const index = ['mount.chunks', 'mount.erofs', 'mount.contents'];
  const packed = await all(packFlist([...given, ...index].map((name) => member(name, name))));
  assert.deepEqual(await names(packed), [
    ...['mount.erofs', 'mount.contents', 'mount.chunks', 'router.yaml', 'metadata.json'],
    ...['CURRENT', 'MANIFEST-000001', '000001.sst', '000002.sst'],
  ]);
});

test('packFlist() leaves time, owner and system out', async () => {
  const packed = await all(packFlist([member('CURRENT', 'x')]));
  assert.equal(packed.readUInt32LE(4), 0);
  assert.equal(packed[9], 255);
  const header = gunzipSync(packed).toString('latin1', 0, 148).split('\0').filter(Boolean);
  assert.deepEqual(header, [
    'CURRENT',
    '0000644',
    '0000000',
    '0000000',
    '00000000001',
    '00000000000',
  ]);
});

test('packFlist() writes a tar that other readers take', async () => {
  const reader = extract();
  reader.end(await all(packFlist([member('CURRENT', 'abc')], { compression: 'none' })));
  for await (const entry of reader) {
    assert.deepEqual([entry.header.name, entry.header.mode], ['CURRENT', 0o644]);
    assert.equal((await all(entry as AsyncIterable<Buffer>)).toString(), 'abc');
  }
});

test('packFlist() refuses a member that is not as large as announced', async () => {
  for (const size of [2, 4]) {
    const packing = all(packFlist([{ name: 'CURRENT', size, data: [bytes('abc')] }]));
    await assert.rejects(packing, (error) => isG8Error(error, 'ERR_CREATE'));
  }
});

test('packFlist() refuses names and sizes that do not fit a tar', async () => {
  await assert.rejects(all(packFlist([member('a/b', '')])), RangeError);
  await assert.rejects(all(packFlist([member('x'.repeat(101), '')])), RangeError);
  await assert.rejects(all(packFlist([{ name: 'x', size: 8 ** 11, data: [] }])), RangeError);
});

test('packFlist() passes on the error of a member', async () => {
  const failure = new Error('disk');
  const data = (async function* () {
    yield bytes('a');
    throw failure;
  })();
  await assert.rejects(all(packFlist([{ name: 'CURRENT', size: 9, data }])), failure);
});

test('unpackFlist() takes the layouts of historical packages', async () => {
  const directory = { type: 'directory' } as const;
  const g1 = await tar([{ name: '/', ...directory }, { name: 'CURRENT' }, { name: 'LOG' }]);
  const g2 = await tar([{ name: './', ...directory }, { name: './flistdb.sqlite3' }]);
  const inFolder = await tar([{ name: 'db/', ...directory }, { name: 'db/CURRENT' }]);
  assert.deepEqual(await names(gzipSync(g1)), ['CURRENT', 'LOG']);
  assert.deepEqual(await names(gzipSync(g2)), ['flistdb.sqlite3']);
  assert.deepEqual(await names(inFolder), ['CURRENT']);
});

test('unpackFlist() takes a tar without its end marker', async () => {
  const whole = await tar([{ name: 'CURRENT', text: 'x' }]);
  assert.deepEqual(await names(whole.subarray(0, 1024)), ['CURRENT']);
});

test('unpackFlist() takes sources in pieces of any size', async () => {
  const packed = await all(packFlist([member('CURRENT', 'abc')]));
  for (const size of [1, 7, 100_000]) {
    const read = await collectFlist(pieces(packed, size));
    assert.deepEqual(read.get('CURRENT'), bytes('abc'));
  }
});

for (const name of ['../x', '/x', 'a/b/c', 'a/../x', '..', 'a/..', './/../x', 'a/./b']) {
  test(`unpackFlist() refuses the member ${name}`, async () => {
    await assert.rejects(names(await tar([{ name }])), isFormatError);
  });
}

test('unpackFlist() refuses members of two directories', async () => {
  await assert.rejects(names(await tar([{ name: 'a/x' }, { name: 'b/y' }])), isFormatError);
  await assert.rejects(names(await tar([{ name: 'a/x' }, { name: 'y' }])), isFormatError);
});

test('unpackFlist() refuses the same name twice', async () => {
  await assert.rejects(names(await tar([{ name: 'x' }, { name: './x' }])), isFormatError);
});

for (const type of ['symlink', 'link', 'character-device', 'block-device', 'fifo'] as const) {
  test(`unpackFlist() refuses a ${type}`, async () => {
    await assert.rejects(names(await tar([{ name: 'x', type, linkname: 'y' }])), isFormatError);
  });
}

test('unpackFlist() refuses nested directories', async () => {
  await assert.rejects(names(await tar([{ name: 'a/b/', type: 'directory' }])), isFormatError);
  await assert.rejects(names(await tar([{ name: '../', type: 'directory' }])), isFormatError);
});

test('unpackFlist() refuses a package that is cut off', async () => {
  const members = [member('CURRENT', 'x'), member('1.sst', 'y'.repeat(5000))];
  const packed = await all(packFlist(members));
  for (const size of [0, 3, 15, packed.length - 9, packed.length - 1]) {
    await assert.rejects(names(packed.subarray(0, size)), isFormatError, `${size} bytes`);
  }
  const plain = await all(packFlist(members, { compression: 'none' }));
  for (const size of [100, 513, 1536 + 100, 1536 + 512 + 10]) {
    await assert.rejects(names(plain.subarray(0, size)), isFormatError, `${size} plain bytes`);
  }
});

test('unpackFlist() refuses what is no package', async () => {
  await assert.rejects(names(Buffer.alloc(2048, 'x')), isFormatError);
  const packed = await all(packFlist([member('CURRENT', 'x')]));
  packed[20] = (packed[20] as number) ^ 0xff;
  await assert.rejects(names(packed), isFormatError);
});

test('unpackFlist() bounds the number of members and their size', async () => {
  const packed = await all(packFlist([member('a', 'x'), member('b', 'y'.repeat(100_000))]));
  await assert.rejects(names(packed, { memberCountMax: 1 }), isFormatError);
  await assert.rejects(names(packed, { totalSizeMax: 100_000 }), isFormatError);
  assert.deepEqual(await names(packed, { memberCountMax: 2, totalSizeMax: 110_000 }), ['a', 'b']);
});

test('unpackFlist() takes zstd only with a decompressor', async () => {
  const plain = await tar([{ name: 'CURRENT' }]);
  const packed = Buffer.concat([Buffer.from('28b52ffd', 'hex'), plain]);
  await assert.rejects(names(packed), isFormatError);
  async function* zstdDecompress(source: AsyncIterable<Uint8Array>) {
    yield (await all(source)).subarray(4);
  }
  assert.deepEqual(await names(packed, { zstdDecompress }), ['CURRENT']);
});

test('unpackFlist() skips what a handler leaves', async () => {
  const packed = await all(packFlist([member('a', 'x'.repeat(300_000)), member('b', 'y')]));
  const seen: string[] = [];
  await unpackFlist(pieces(packed, 500), async (name, size, body) => {
    for await (const chunk of body) {
      assert.ok(chunk.length > 0);
      break;
    }
    seen.push(`${name} ${size}`);
  });
  assert.deepEqual(seen, ['a 300000', 'b 1']);
});

test('unpackFlist() stops and closes its source when a handler says so', async () => {
  const noise = Array.from({ length: 2_000_000 }, (_, i) => (i * i * 31) % 251);
  const packed = await all(
    packFlist(
      [member('a', 'x'), { name: 'b', size: noise.length, data: [Uint8Array.from(noise)] }],
      {
        compression: 'none',
      },
    ),
  );
  let taken = 0;
  let isClosed = false;
  async function* source() {
    try {
      for await (const piece of pieces(packed, 10_000)) {
        taken += piece.length;
        yield piece;
      }
    } finally {
      isClosed = true;
    }
  }
  await unpackFlist(source(), async (name) => (name === 'a' ? 'stop' : assert.fail('too far')));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(isClosed);
  assert.ok(taken < 1_000_000, `${taken} bytes`);
});

test('unpackFlist() passes on errors of the handler and of the source', async () => {
  const failure = new Error('disk');
  const packed = await all(packFlist([member('a', 'x')]));
  const handling = unpackFlist(pieces(packed), async () => {
    throw failure;
  });
  await assert.rejects(handling, failure);
  async function* source() {
    yield packed.subarray(0, 20);
    throw failure;
  }
  await assert.rejects(collectFlist(source()), failure);
});

test('detectGeneration() tells generations by their members', () => {
  assert.equal(detectGeneration(['CURRENT', 'MANIFEST-000001', 'mount.erofs']), 'ours');
  assert.equal(detectGeneration(['CURRENT', 'MANIFEST-000005', 'LOG']), 'g1');
  assert.equal(detectGeneration(['flistdb.sqlite3', 'router.yaml']), 'sqlite');
  assert.throws(() => detectGeneration(['CURRENT']), isFormatError);
});

test('isPackageMember() tells a flist by its first members', () => {
  const decide = (...paths: string[]) => paths.map(isPackageMember).find((is) => is !== undefined);
  assert.equal(decide('mount.erofs'), true);
  assert.equal(decide('LOG', 'IDENTITY', '000004.log', 'flist/CURRENT'), true);
  assert.equal(decide('flistdb.sqlite3'), true);
  assert.equal(decide('etc/passwd'), false);
  assert.equal(decide('LOG', 'readme'), false);
  assert.equal(decide('LOG', 'LOCK'), undefined);
});
