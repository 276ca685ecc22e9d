/**
 * The bytes of a mount index must not change unnoticed: a small tree, a readable listing of its
 * index, and digests of the three files. Change the committed ones only together with the version
 * of the format.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } from '../../../src/format/tree.ts';
import {
  ACL,
  CAPABILITY,
  chunkOf,
  contentOf,
  type Description,
  describeIndex,
  directory,
  file,
  filesOf,
  HOLE,
  inode,
  openIndex,
  symlink,
} from '../../support/index-trees.ts';

const MIB = 1024 * 1024;

function smallTree() {
  const linked = file('linked', 1234, { uid: 1000, gid: 100, mtimeNanoseconds: 987_654_321 });
  return directory({
    bin: directory({
      ping: file('ping', 76_672, {
        permissions: 0o755,
        xattrs: { 'security.capability': CAPABILITY },
      }),
      sh: symlink('/usr/bin/sh'),
      su: file('su', 71_912, { permissions: 0o4755 }),
    }),
    dev: directory({
      null: inode(S_IFCHR, { permissions: 0o666, rdevMajor: 1, rdevMinor: 3 }),
      sda: inode(S_IFBLK, { permissions: 0o660, gid: 6, rdevMajor: 259, rdevMinor: 70_000 }),
      fifo: inode(S_IFIFO),
      socket: inode(S_IFSOCK),
    }),
    data: directory({
      empty: file('', 0),
      hole: file('', MIB, { content: contentOf('', MIB, [HOLE, HOLE]) }),
      lost: file('', MIB, { content: contentOf('', MIB, [chunkOf('kept')]) }),
      several: file('several', 3 * MIB),
      'same-as-several': file('several', 3 * MIB),
    }),
    links: directory(
      { first: linked, second: linked },
      { permissions: 0o1777, xattrs: { 'system.posix_acl_default': ACL } },
    ),
    'not-utf8-\xff': file('x', 1, {
      mtimeSeconds: -1,
      mtimeNanoseconds: 5,
      xattrs: { 'trusted.overlay.opaque': 'y', 'user.note': 'kept' },
    }),
  });
}

/** One line for each name: the path, then what is known about it. */
function formatListing(descriptions: readonly Description[]): string {
  const lines = descriptions.map(({ path, xattrs = {}, ...rest }) => {
    const pairs = [
      ...Object.entries(rest),
      ...Object.entries(xattrs).map(([name, value]) => [`xattr:${name}`, value]),
    ];
    return [encodeURI(path), ...pairs.map(([key, value]) => `${key}=${value}`)].join(' ');
  });
  return `${lines.join('\n')}\n`;
}

/** A committed file; tests run compiled, in another folder. */
function readGolden(name: string): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return readFileSync(join(folder, 'test/golden/index', name), 'utf8');
}

describe('mount index of the small tree', () => {
  test('reads as the committed listing', () => {
    const { index, contents } = openIndex(filesOf(buildMountIndex(smallTree())));
    const listing = formatListing(describeIndex(index, contents));
    assert.equal(listing, readGolden('small-tree.txt'));
  });

  test('has the committed digests', () => {
    const image = buildMountIndex(smallTree());
    const { erofs, contents, chunks } = filesOf(image);
    const digests = [
      `${toHex(blake2b(erofs, 32))}  mount.erofs`,
      `${toHex(blake2b(contents, 32))}  mount.contents`,
      `${toHex(blake2b(chunks, 32))}  mount.chunks`,
      `${toHex(image.rootDigest())}  root`,
    ];
    assert.equal(`${digests.join('\n')}\n`, readGolden('small-tree.digests'));
  });
});
