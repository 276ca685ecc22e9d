import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { regionsOf, TarReader } from '../../../../src/format/tar/reader.ts';
import {
  paxHeader,
  pieces,
  type ReadEntry,
  readAll,
  TAR_END,
  tarFile,
  tarHeader,
  text,
  zeros,
} from '../../../support/tar-blocks.ts';

const archive = (...parts: Uint8Array[]): Buffer => Buffer.concat([...parts, TAR_END]);

async function only(...parts: Uint8Array[]): Promise<ReadEntry> {
  const entries = await readAll(archive(...parts));
  assert.equal(entries.length, 1);
  return entries[0] as ReadEntry;
}

async function refuses(bytes: Uint8Array, message: RegExp): Promise<void> {
  await assert.rejects(readAll(bytes), (error: Error) => {
    assert.ok(isG8Error(error, 'ERR_FLIST_FORMAT'), String(error));
    assert.match(error.message, message);
    return true;
  });
}

describe('plain headers', () => {
  test('ustar gives all attributes', async () => {
    const { entry, data } = await only(
      tarFile(
        {
          name: './dir//./file',
          mode: '0104755\0',
          uid: '0001750\0',
          gid: '    17 \0',
          mtime: '00000001234\0',
        },
        'hello',
      ),
    );
    assert.equal(text(entry.path), 'dir/file');
    assert.equal(entry.type, 'file');
    assert.equal(entry.mode, 0o4755);
    assert.deepEqual([entry.uid, entry.gid, entry.mtimeSeconds], [1000, 15, 0o1234]);
    assert.deepEqual([entry.size, data.toString()], [5, 'hello']);
    assert.equal(entry.xattrs, undefined);
  });

  for (const [flag, type] of [
    ['0', 'file'],
    ['\0', 'file'],
    ['7', 'file'],
    ['1', 'link'],
    ['2', 'symlink'],
    ['3', 'character'],
    ['4', 'block'],
    ['5', 'directory'],
    ['6', 'fifo'],
  ] as const) {
    test(`type ${JSON.stringify(flag)} is ${type}`, async () => {
      const { entry } = await only(tarFile({ type: flag, link: 'other', minor: '0000003\0' }));
      assert.equal(entry.type, type);
      const isDevice = type === 'character' || type === 'block';
      assert.equal(entry.rdevMinor, isDevice ? 3 : undefined);
      const isLink = type === 'link' || type === 'symlink';
      assert.equal(text(entry.target), isLink ? 'other' : '');
    });
  }

  test('a prefix goes in front of the name, but not in a GNU header', async () => {
    const ustar = await only(tarFile({ prefix: 'some/where', name: 'file' }));
    assert.equal(text(ustar.entry.path), 'some/where/file');
    const gnu = await only(tarFile({ prefix: '00000000000', name: 'file', magic: 'ustar  \0' }));
    assert.equal(text(gnu.entry.path), 'file');
  });

  test('V7 has no devices behind the link, and directories by their slash', async () => {
    const { entry } = await only(tarFile({ name: 'dir/', type: '\0', magic: '' }));
    assert.equal(entry.type, 'directory');
    assert.equal(text(entry.path), 'dir');
  });

  test('numbers of base 256 are taken, negative times too', async () => {
    const size = Buffer.alloc(12);
    size[0] = 0x80;
    size.writeUInt32BE(5, 8);
    const before = Buffer.alloc(12, 0xff);
    before.writeInt32BE(-100, 8);
    const uid = Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe]);
    const { entry } = await only(tarFile({ size, mtime: before, uid }, 'hello'));
    assert.deepEqual([entry.size, entry.mtimeSeconds, entry.uid], [5, -100, 4294967294]);
  });

  test('a checksum over signed bytes is right too', async () => {
    const { entry } = await only(tarFile({ name: 'n\xff\xfe', signedSum: true }));
    assert.equal(text(entry.path), 'n\xff\xfe');
  });

  test('no data follows what is no file, whatever the size says', async () => {
    const link = tarHeader({ name: 'link', type: '1', link: 'file', size: 5 });
    const folder = tarHeader({ name: 'dir', type: '5', size: 4096 });
    const entries = await readAll(archive(link, folder, tarFile({ name: 'file' }, 'x')));
    assert.deepEqual(
      entries.map(({ entry }) => [entry.type, entry.size]),
      [
        ['link', 0],
        ['directory', 0],
        ['file', 1],
      ],
    );
  });

  test('the list of an incremental folder is skipped', async () => {
    const entries = await readAll(
      archive(
        tarFile({ name: 'dir/', type: 'D', magic: 'ustar  \0' }, 'Yname\0\0'),
        tarFile({}, 'x'),
      ),
    );
    assert.deepEqual(
      entries.map(({ entry }) => entry.type),
      ['directory', 'file'],
    );
  });
});

describe('long names', () => {
  const long = `${'d'.repeat(200)}/${'f'.repeat(200)}`;

  test('GNU headers hold a name and a link for one entry', async () => {
    const [first, second] = await readAll(
      archive(
        tarFile({ name: '././@LongLink', type: 'K' }, 'target/'.repeat(30)),
        tarFile({ name: '././@LongLink', type: 'L' }, `${long}\0`),
        tarFile({ type: '2' }),
        tarFile({ name: 'next' }),
      ),
    );
    assert.equal(text(first?.entry.path), long);
    assert.equal(text(first?.entry.target), 'target/'.repeat(30));
    assert.equal(text(second?.entry.path), 'next');
  });

  test('PAX wins over GNU and ustar', async () => {
    const { entry } = await only(
      tarFile({ type: 'L' }, 'gnu'),
      paxHeader([
        ['path', long],
        ['linkpath', 'elsewhere'],
      ]),
      tarFile({ name: 'short', type: '2', link: 'near' }),
    );
    assert.equal(text(entry.path), long);
    assert.equal(text(entry.target), 'elsewhere');
  });
});

describe('extended headers', () => {
  test('numbers, times and attributes are taken as they are', async () => {
    const { entry, data } = await only(
      paxHeader([
        ['size', '5'],
        ['uid', '4000000000'],
        ['gid', '7'],
        ['mtime', '1700000000.123456789123'],
        ['hdrcharset', 'BINARY'],
        ['path', 'n\xff\n='],
        ['SCHILY.xattr.user.b', Buffer.from([0, 255, 10, 0x3d])],
        ['SCHILY.xattr.user.a', ''],
        ['LIBARCHIVE.xattr.user.c%3D', 'AP8'],
        ['comment', 'passed over'],
      ]),
      tarFile({ name: 'x', size: 0 }),
      Buffer.from('hello'.padEnd(512, '\0')),
    );
    assert.deepEqual([entry.size, entry.uid, entry.gid], [5, 4_000_000_000, 7]);
    assert.deepEqual([entry.mtimeSeconds, entry.mtimeNanoseconds], [1_700_000_000, 123_456_789]);
    assert.equal(text(entry.path), 'n\xff\n=');
    assert.equal(data.toString(), 'hello');
    assert.deepEqual(
      entry.xattrs?.map(({ name, value }) => [text(name), text(value)]),
      [
        ['user.a', ''],
        ['user.b', '\0\xff\n='],
        ['user.c=', '\0\xff'],
      ],
    );
  });

  for (const [written, seconds, nanoseconds] of [
    ['-1', -1, 0],
    ['-1.25', -2, 750_000_000],
    ['-0.5', -1, 500_000_000],
    ['12.', 12, 0],
    ['0.000000001', 0, 1],
  ] as const) {
    test(`time ${written} is ${seconds} s and ${nanoseconds} ns`, async () => {
      const { entry } = await only(paxHeader([['mtime', written]]), tarFile({}));
      assert.deepEqual([entry.mtimeSeconds, entry.mtimeNanoseconds], [seconds, nanoseconds]);
    });
  }

  test('an empty value takes a field back, except for attributes', async () => {
    const { entry } = await only(
      paxHeader([['uid', '5']], 'g'),
      paxHeader([
        ['path', 'other'],
        ['path', ''],
        ['uid', ''],
      ]),
      tarFile({ name: 'name', uid: '0000010\0' }),
    );
    assert.deepEqual([text(entry.path), entry.uid], ['name', 8]);
  });

  test('a global header lasts, but for what belongs to one file', async () => {
    const entries = await readAll(
      archive(
        paxHeader(
          [
            ['gid', '9'],
            ['path', 'all'],
            ['comment', 'a commit'],
          ],
          'g',
        ),
        tarFile({ name: 'a' }),
        paxHeader([['gid', '3']]),
        tarFile({ name: 'b' }),
        tarFile({ name: 'c' }),
        paxHeader([['gid', '4']], 'g'),
      ),
    );
    assert.deepEqual(
      entries.map(({ entry }) => [text(entry.path), entry.gid]),
      [
        ['a', 9],
        ['b', 3],
        ['c', 9],
      ],
    );
  });

  test('an ACL becomes its attribute', async () => {
    const { entry } = await only(
      paxHeader([
        ['SCHILY.acl.access', 'user::rw-,user:joe:r--:1001,group::r--,mask::rw-,other::---'],
      ]),
      tarFile({}),
    );
    const [acl] = entry.xattrs ?? [];
    assert.equal(text(acl?.name), 'system.posix_acl_access');
    assert.equal(
      Buffer.from(acl?.value ?? []).toString('hex'),
      '02000000' +
        '01000600ffffffff' +
        '02000400e9030000' +
        '04000400ffffffff' +
        '10000600ffffffff' +
        '20000000ffffffff',
    );
  });
});

describe('sparse files', () => {
  const regions = [
    { offset: 0, length: 3 },
    { offset: 1000, length: 2 },
  ];
  const check = ({ entry, data }: ReadEntry): void => {
    assert.equal(text(entry.path), 'sparse');
    assert.equal(entry.size, 5000);
    assert.deepEqual(regionsOf(entry), regions);
    assert.equal(data.toString(), 'abcde');
  };

  test('in the old header', async () => {
    const number = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
    check(
      await only(
        tarFile(
          {
            name: 'sparse',
            type: 'S',
            magic: 'ustar  \0',
            more: {
              386: number(0) + number(3),
              410: number(1000) + number(2),
              434: number(5000) + number(0),
              483: number(5000),
            },
          },
          'abcde',
        ),
      ),
    );
  });

  test('in the old header with a continuation', async () => {
    const number = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
    const extension = Buffer.alloc(512);
    extension.write(number(1000) + number(2));
    const header = tarHeader({
      name: 'sparse',
      type: 'S',
      size: 5,
      magic: 'ustar  \0',
      more: { 386: number(0) + number(3), 482: '\x01', 483: number(5000) },
    });
    check(await only(header, extension, Buffer.from('abcde'.padEnd(512, '\0'))));
  });

  test('as records of 0.0', async () => {
    check(
      await only(
        paxHeader([
          ['GNU.sparse.size', '5000'],
          ['GNU.sparse.numblocks', '2'],
          ['GNU.sparse.offset', '0'],
          ['GNU.sparse.numbytes', '3'],
          ['GNU.sparse.offset', '1000'],
          ['GNU.sparse.numbytes', '2'],
        ]),
        tarFile({ name: 'sparse' }, 'abcde'),
      ),
    );
  });

  test('as one record of 0.1', async () => {
    check(
      await only(
        paxHeader([
          ['GNU.sparse.map', '0,3,1000,2,5000,0'],
          ['GNU.sparse.size', '5000'],
          ['GNU.sparse.name', 'sparse'],
        ]),
        tarFile({ name: 'GNUSparseFile.1/sparse' }, 'abcde'),
      ),
    );
  });

  test('in front of the data in 1.0', async () => {
    const map = Buffer.from('3\n0\n3\n1000\n2\n5000\n0\n'.padEnd(512, '\0'));
    check(
      await only(
        paxHeader([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.name', 'sparse'],
          ['GNU.sparse.realsize', '5000'],
        ]),
        tarFile({ name: 'GNUSparseFile.1/sparse' }, Buffer.concat([map, Buffer.from('abcde')])),
      ),
    );
  });

  for (const [title, map] of [
    ['out of order', '1000,2,0,3'],
    ['exceeds its file', '0,3,4999,2'],
    ['does not fit the data', '0,3,1000,1'],
    ['half an entry', '0,3,1000'],
    ['that is none', '0,3,,2'],
  ] as const) {
    test(`a map ${title} is refused`, async () => {
      const header = paxHeader([
        ['GNU.sparse.map', map],
        ['GNU.sparse.size', '5000'],
      ]);
      await refuses(archive(header, tarFile({}, 'abcde')), new RegExp(title));
    });
  }
});

describe('what is refused', () => {
  for (const [title, bytes, message] of [
    ['nothing at all', new Uint8Array(0), /byte 0: it is empty/],
    ['a path that leads out', tarFile({ name: 'a/../../b' }), /a path with \.\. in it/],
    ['a link that leads out', tarFile({ type: '1', link: '../b' }), /a path with \.\. in it/],
    ['a name of 256 bytes', tarFileNamed('n'.repeat(256)), /a name of 256 bytes/],
    ['a path of 17 KiB', tarFileNamed('d/'.repeat(8704)), /a path of 17408 bytes/],
    ['a path with a NUL', tarFileNamed('a\0b'), /a path with a NUL/],
    ['no link target', tarFile({ type: '2' }), /a link target of 0 bytes/],
    ['a wrong sum', Buffer.alloc(512, 0x31), /byte 0: the checksum/],
    ['letters for a number', tarFile({ uid: 'abcdefg\0' }), /the owner is no octal number/],
    ['an unknown type', tarFile({ type: 'M' }), /type "M" are unknown/],
    ['a negative size', tarHeader({ size: Buffer.alloc(12, 0xff) }), /a size of -1 bytes/],
    ['a number of 90 bits', tarHeader({ size: Buffer.alloc(12, 0xbf) }), /size is out of range/],
    ['a number for nobody', paxed('uid', '4294967296'), /number 4294967296 is out of range/],
    ['a size that is none', paxed('size', '1e3'), /'size' of the extended header is no number/],
    ['a time that is none', paxed('mtime', 'now'), /'mtime' of the extended header is no time/],
    ['a record of length 0', tarFile({ type: 'x' }, '0 a=b\n'), /has a wrong length/],
    ['a record that is too long', tarFile({ type: 'x' }, '99 a=b\n'), /has a wrong length/],
    ['a record without a keyword', tarFile({ type: 'x' }, '5 ab\n'), /has no keyword/],
    ['a header of 8 GiB', tarHeader({ type: 'x', size: 2 ** 33 - 1 }), /a header of \d+ bytes/],
    ['a long name of 1 MiB', tarHeader({ type: 'L', size: 2 ** 20 }), /a header of 1048576 bytes/],
    [
      'headers without an end',
      Buffer.concat(Array(20).fill(paxHeader([]))),
      /more than 16 headers/,
    ],
    ['a header before the end', paxHeader([['uid', '1']]), /it is cut off/],
    ['a name in an ACL', paxed('SCHILY.acl.access', 'user:joe:rwx'), /--numeric-owner/],
    ['an ACL that is none', paxed('SCHILY.acl.access', 'joe'), /an ACL that is none/],
    ['a wrong Base64', paxed('LIBARCHIVE.xattr.user.a', '*'), /is no Base64/],
  ] as const) {
    test(title, () => refuses(bytes, message));
  }

  function tarFileNamed(name: string): Buffer {
    return Buffer.concat([paxHeader([['path', name]]), tarFile({})]);
  }

  function paxed(keyword: string, value: string): Buffer {
    return Buffer.concat([paxHeader([[keyword, value]]), tarFile({})]);
  }
});

describe('the end', () => {
  const whole = Buffer.concat([
    tarFile({ name: 'a' }, 'first'),
    paxHeader([['mtime', '1.5']]),
    tarFile({ name: 'b' }, 'x'.repeat(700)),
  ]);
  const borders = new Set([1024, whole.length]);

  test('every cut is an error but at the border of an entry', async () => {
    for (let size = 0; size < whole.length; size++) {
      const cut = whole.subarray(0, size);
      if (borders.has(size)) assert.equal((await readAll(cut)).length, 1, String(size));
      else await refuses(cut, size === 0 ? /it is empty/ : /it is cut off/);
    }
    assert.equal((await readAll(whole)).length, 2);
  });

  test('one block of zeros ends it, and what follows is not read as entries', async () => {
    const end = Buffer.alloc(512);
    const entries = await readAll(Buffer.concat([whole, end, tarFile({ name: 'behind' })]));
    assert.equal(entries.length, 2);
  });

  test('an archive of nothing but its end has no entries', async () => {
    assert.deepEqual(await readAll(TAR_END), []);
  });

  test('zeros without an end are refused', async () => {
    const reader = new TarReader(zeros(2 ** 40));
    await assert.rejects(reader.next(), { code: 'ERR_FLIST_FORMAT', message: /follow its end/ });
  });

  test('the size of the pieces makes no difference', async () => {
    const expected = await readAll(archive(whole));
    for (const size of [1, 7, 511, 513, 4096]) {
      assert.deepEqual(await readAll(archive(whole), size), expected);
    }
  });

  test('data that nobody takes is skipped', async () => {
    const reader = new TarReader(pieces(archive(whole), 100));
    await reader.next();
    assert.equal(text(await reader.readSome(2)), 'fi');
    assert.equal(text((await reader.next())?.path), 'b');
    assert.equal(await reader.next(), undefined);
    assert.equal(await reader.readSome(1), undefined);
  });

  test('close() ends the source', async () => {
    let isEnded = false;
    const source = (async function* () {
      try {
        yield* pieces(archive(whole), 512);
      } finally {
        isEnded = true;
      }
    })();
    const reader = new TarReader(source);
    await reader.next();
    await reader.close();
    assert.ok(isEnded);
    assert.equal(await reader.next(), undefined);
  });
});
