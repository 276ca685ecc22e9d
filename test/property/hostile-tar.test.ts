/**
 * Archives that are cut off, damaged or made up: reading them ends, and ends in nothing but the errors of
 * the table. Checksums are put right after the damage, so that it gets past them. fast-check prints the
 * seed of a failure.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../src/base/errors.ts';
import { LayerTree } from '../../src/format/layer/layer-tree.ts';
import { TarReader } from '../../src/format/tar/reader.ts';
import { paxHeader, pieces, TAR_END, tarFile } from '../support/tar-blocks.ts';
import { amount } from '../support/thorough.ts';

const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;

/** One of everything, and where its entries begin. */
const PARTS: readonly Buffer[] = [
  tarFile({ name: './', type: '5', mode: '0000755\0' }),
  tarFile({ name: 'a/', type: '5' }),
  tarFile({ name: 'a/file' }, 'text of the file'),
  tarFile({ name: 'a/link', type: '1', link: 'a/file' }),
  tarFile({ name: 'a/symlink', type: '2', link: 'file' }),
  tarFile({ name: 'null', type: '3', major: '0000001\0', minor: '0000003\0' }),
  Buffer.concat([
    paxHeader([
      ['path', 'b/\xff\xfe'],
      ['mtime', '-1.5'],
      ['SCHILY.xattr.security.capability', '\x01\0\0\x02\0\xff'],
      ['SCHILY.acl.access', 'user::rw-,user:7:r--,group::r--,mask::rw-,other::---'],
      ['LIBARCHIVE.xattr.user.b', 'AAEC'],
    ]),
    tarFile({}, 'x'.repeat(600)),
  ]),
  Buffer.concat([
    tarFile({ name: '././@LongLink', type: 'L' }, `${'n'.repeat(150)}\0`),
    tarFile({ name: '././@LongLink', type: 'K' }, `${'t'.repeat(150)}\0`),
    tarFile({ type: '2' }),
  ]),
  tarFile(
    {
      name: 'old-sparse',
      type: 'S',
      magic: 'ustar  \0',
      more: { 386: octal(0) + octal(3), 410: octal(1000) + octal(2), 483: octal(5000) },
    },
    'abcde',
  ),
  Buffer.concat([
    paxHeader([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'new-sparse'],
      ['GNU.sparse.realsize', '9000'],
    ]),
    tarFile({}, `${'2\n0\n3\n8000\n2\n'.padEnd(512, '\0')}abcde`),
  ]),
  Buffer.concat([paxHeader([['gid', '9']], 'g'), tarFile({ name: '.wh.a' })]),
];
const ARCHIVE = Buffer.concat([...PARTS, TAR_END]);
const BORDERS = PARTS.map((_, i) => Buffer.concat(PARTS.slice(0, i + 1)).length);
const HEADERS = headerOffsets();

/** Number of entries, or the error that the table has for it; anything else is a fault. */
async function read(archive: Uint8Array, pieceSize = 4096): Promise<number | 'refused'> {
  const reader = new TarReader(pieces(archive, pieceSize));
  const tree = new LayerTree({ whiteouts: true });
  let count = 0;
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      tree.add(entry);
      let stored = 0;
      for (let some = await reader.readSome(1000); some; some = await reader.readSome(1000)) {
        stored += some.length;
      }
      assert.ok(stored <= archive.length);
      assert.ok(Number.isSafeInteger(entry.size) && entry.size >= 0);
      count++;
    }
    tree.finish();
    return count;
  } catch (error) {
    assert.ok(isG8Error(error, 'ERR_FLIST_FORMAT'), String(error));
    assert.ok(error.message.length < 1000, 'a message is one line');
    return 'refused';
  }
}

/** How many entries an archive has that ends there; `undefined` when it cannot end there. */
function entriesBefore(size: number): number | undefined {
  // The first block of zeros is enough.
  if (size >= ARCHIVE.length - 512) return PARTS.length;
  // Behind a global header an archive may end, too.
  if (size === ARCHIVE.length - TAR_END.length - 512) return PARTS.length - 1;
  const border = BORDERS.indexOf(size);
  return border < 0 ? undefined : border + 1;
}

/** Where blocks are that pass for headers now. */
function headerOffsets(): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < ARCHIVE.length; at += 512) {
    if (ARCHIVE.toString('latin1', at + 257, at + 262) === 'ustar') offsets.push(at);
  }
  return offsets;
}

function repair(archive: Buffer): Buffer {
  for (const at of HEADERS) {
    const block = archive.subarray(at, at + 512);
    block.write('        ', 148, 'latin1');
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return archive;
}

describe('an archive with everything in it', () => {
  test('is read whole', async () => {
    assert.equal(await read(ARCHIVE), PARTS.length);
    assert.deepEqual(await read(repair(Buffer.from(ARCHIVE))), PARTS.length);
  });

  test('is refused wherever it is cut, but at the border of an entry', async () => {
    for (let size = 0; size < ARCHIVE.length; size++) {
      if (![0, 1, 255, 511].includes(size % 512)) continue;
      const cut = await read(ARCHIVE.subarray(0, size));
      assert.equal(cut, entriesBefore(size) ?? 'refused', String(size));
    }
  });

  test('ends in a listed error when any byte is any other', async () => {
    const damage = fc.record({
      at: fc.nat({ max: ARCHIVE.length - 1 }),
      byte: fc.nat({ max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 6 }), async (changes) => {
        const archive = Buffer.from(ARCHIVE);
        for (const { at, byte } of changes) archive[at] = byte;
        await read(repair(archive));
      }),
      { numRuns: amount(250, 1000) },
    );
  });

  test('ends in a listed error when a field is any other', async () => {
    const fields = [0, 100, 108, 116, 124, 136, 156, 157, 257, 329, 337, 345, 386, 482, 483];
    const change = fc.record({
      header: fc.constantFrom(...HEADERS),
      field: fc.constantFrom(...fields),
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 24 }),
        fc
          .constantFrom(
            '77777777777\0',
            '\x80\0\0\0\x7f\xff\xff\xff',
            '\xff\xff\xff\xff\xff\xff\xff\xff',
            '../x\0',
            '/\0',
          )
          .map((text) => new Uint8Array(Buffer.from(text, 'latin1'))),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const archive = Buffer.from(ARCHIVE);
        for (const { header, field, bytes } of changes)
          archive.set(bytes.subarray(0, 512 - field), header + field);
        await read(repair(archive));
      }),
      { numRuns: amount(250, 1000) },
    );
  });
});

test('made up records of an extended header end in a listed error', async () => {
  const keyword = fc.oneof(
    fc.constantFrom(
      'path',
      'linkpath',
      'size',
      'mtime',
      'uid',
      'SCHILY.acl.access',
      'SCHILY.xattr.user.a',
      'LIBARCHIVE.xattr.user.%41%',
      'GNU.sparse.map',
      'GNU.sparse.size',
      'GNU.sparse.offset',
      'GNU.sparse.numbytes',
      'GNU.sparse.major',
      'GNU.sparse.name',
      '__proto__',
    ),
    fc.string({ minLength: 1, maxLength: 20 }).map((text) => text.replace(/=/g, '-')),
  );
  const value = fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '1',
      '5',
      '0,5',
      '0,1,4,4',
      '-1.5',
      '9007199254740993',
      'u:1:rwx',
      '../a',
      'a/b',
    ),
    fc.string({ maxLength: 40 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(keyword, value), { maxLength: 8 }), async (records) => {
      await read(Buffer.concat([paxHeader(records), tarFile({}, 'abcde'), TAR_END]));
    }),
    { numRuns: amount(250, 1000) },
  );
});

test('made up bytes end in a listed error', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 3000, size: 'max' }),
      async (bytes) => {
        assert.equal(
          await read(bytes),
          bytes.subarray(0, 512).every((byte) => byte === 0) && bytes.length >= 512 ? 0 : 'refused',
        );
      },
    ),
    { numRuns: amount(125, 500) },
  );
});
