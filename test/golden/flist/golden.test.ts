/**
 * Trees with the text that they dump to and the digest of the records that they are written as. A
 * change here is a change of the format. `UPDATE_GOLDEN=1` writes the files anew.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { blake2b256Stream } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../../src/base/codec.ts';
import type { Content } from '../../../src/format/content.ts';
import { dumpTree } from '../../../src/format/flist/dump.ts';
import { readTree } from '../../../src/format/flist/read-tree.ts';
import { writeRecords } from '../../../src/format/flist/write-records.ts';
import { type Inode, S_IFCHR, S_IFSOCK } from '../../../src/format/tree.ts';
import {
  blockDevice,
  bytes,
  contentOf,
  directory,
  fifo,
  file,
  MemoryDatabase,
  symlink,
} from '../../support/flist-trees.ts';

const EMPTY = new Uint8Array(0);
const HOLE = { codec: CODEC.hole, id: EMPTY, plainDigest: EMPTY, storedSize: 0 };

function historical(codec: 2 | 3): Content {
  const size = codec === CODEC.legacyG1 ? 32 : 16;
  const chunk = {
    id: new Uint8Array(size).fill(0x1d),
    plainDigest: new Uint8Array(size).fill(0xce),
  };
  const algorithm = codec === CODEC.legacyG1 ? DIGEST.sha256 : DIGEST.blake2b128;
  return {
    size: 9,
    blockSize: 512 * 1024,
    algorithm,
    chunks: [{ ...chunk, codec, storedSize: 0 }],
  };
}

function sparse(): Content {
  const [chunk] = contentOf('sparse').chunks;
  assert.ok(chunk);
  const chunks = [HOLE, chunk, HOLE];
  return { size: 3 * 65536 - 1, blockSize: 65536, algorithm: DIGEST.blake2b256, chunks };
}

const systemConsole = { ...fifo(), mode: S_IFCHR | 0o600, rdevMajor: 5, rdevMinor: 1 };
const linked = file('linked', { mode: 0o104755, mtimeNanoseconds: 123_456_789 });
const TREES: Readonly<Record<string, Inode>> = {
  empty: directory(),
  'all-types': directory({
    'block device': blockDevice(259, 1_048_575),
    console: systemConsole,
    'empty file': file(''),
    fifo: fifo(),
    file: file('hello\n'),
    folder: directory({ nested: directory({ 'hard link': linked }) }, { mode: 0o41777 }),
    'hard link': linked,
    link: symlink('folder/nested/%/\u00fc'),
    socket: { ...fifo(), mode: S_IFSOCK | 0o755 },
  }),
  contents: directory({
    g1: file('historical', { size: 9, content: historical(CODEC.legacyG1) }),
    g2: file('historical', { size: 9, content: historical(CODEC.legacyG2) }),
    sparse: file('sparse', { size: 3 * 65536 - 1, content: sparse() }),
    zstd: file('a text'),
  }),
  attributes: directory(
    {
      'before 1970': file('', { mtimeSeconds: -60, mtimeNanoseconds: 999_999_999 }),
      'far future': file('', { mtimeSeconds: 2 ** 40 }),
      'large ids': file('', { uid: 4_294_967_294, gid: 4_000_000_001 }),
      xattrs: file('', {
        xattrs: [
          { name: bytes('security.capability'), value: Uint8Array.of(1, 0, 0, 2, 0, 4, 0, 0) },
          { name: bytes('user.empty'), value: EMPTY },
        ],
      }),
      '\0not UTF-8 \xff\xfe': file(''),
    },
    { xattrs: [{ name: bytes('user.root'), value: bytes('yes') }] },
  ),
};

/** The dump, and as its last line the digest over all keys and values with their sizes before them. */
function twin(tree: Inode): { text: string; database: MemoryDatabase } {
  const records = [...writeRecords(tree)];
  const digest = blake2b256Stream();
  for (const part of records.flat()) {
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint32(0, part.length, true);
    digest.update(size);
    digest.update(part);
  }
  const lines = [...dumpTree(tree), `# records ${toHex(digest.digest())}`];
  return { text: `${lines.join('\n')}\n`, database: new MemoryDatabase(records) };
}

function goldenFile(name: string): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'test', 'golden', 'flist', `${name}.dump`);
}

for (const [name, tree] of Object.entries(TREES)) {
  test(`${name}: dump and records are the recorded ones`, () => {
    const { text } = twin(tree);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(goldenFile(name), text);
    assert.equal(text, readFileSync(goldenFile(name), 'utf8'));
  });

  test(`${name}: the records are read back as the same tree`, () => {
    const { text, database } = twin(tree);
    const read = readTree(database);
    assert.deepEqual(read, tree);
    assert.equal(twin(read).text, text);
  });
}
