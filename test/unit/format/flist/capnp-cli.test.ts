/**
 * The reference implementation of Cap'n Proto as the oracle for our codec and for the schema in
 * docs/flist.capnp, in both directions. Skipped where the tool `capnp` is not installed.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import {
  type AciRecord,
  decodeAci,
  decodeDir,
  encodeAci,
  encodeDir,
} from '../../../../src/format/flist/records.ts';
import { writeRecords } from '../../../../src/format/flist/write-records.ts';
import {
  blockDevice,
  bytes,
  directory,
  fifo,
  file,
  symlink,
} from '../../../support/flist-trees.ts';

const TOOL = 'capnp';
const isInstalled = spawnSync(TOOL, ['--version']).status === 0;
if (!isInstalled && process.env['CI'] === 'true') throw new Error('The tool capnp is missing');
const options = { skip: isInstalled ? false : 'capnp is not installed' };

function schema(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'docs', 'flist.capnp');
}

function capnp(command: 'encode' | 'decode', type: string, input: Uint8Array, ...flags: string[]) {
  return execFileSync(TOOL, [command, ...flags, schema(), type], { input });
}

const XATTRS = [{ name: bytes('user.a'), value: Uint8Array.of(0, 1, 255) }];

function sampleMessages(): Uint8Array[] {
  const linked = file('linked', { mtimeSeconds: -(2 ** 33), mtimeNanoseconds: 7, xattrs: XATTRS });
  const tree = directory({
    a: linked,
    b: linked,
    c: symlink('a'),
    d: blockDevice(8, 1),
    e: fifo(),
    f: directory({ g: file('') }, { mode: 0o43777, xattrs: XATTRS }),
  });
  return [...writeRecords(tree)].filter(([key]) => key.length === 64).map(([, value]) => value);
}

test('encodeDir() writes what capnp reads back to the same message', options, () => {
  for (const message of sampleMessages()) {
    const text = capnp('decode', 'Dir', message);
    assert.deepEqual(decodeDir(capnp('encode', 'Dir', text)), decodeDir(message));
  }
});

test('decodeDir() reads messages of many segments by capnp', options, () => {
  for (const message of sampleMessages()) {
    const text = capnp('decode', 'Dir', message);
    const many = capnp('encode', 'Dir', text, '--segment-size=1');
    assert.ok(many.readUInt32LE(0) > 3, 'it has many segments');
    assert.deepEqual(decodeDir(many), decodeDir(message));
  }
});

test('capnp shows every field that encodeDir() writes', options, () => {
  const message = encodeDir({
    name: bytes('n'),
    location: bytes('p/n'),
    contents: [],
    parent: 'p0',
    size: 4097,
    aciKey: 'a0',
    modificationTime: 11,
    creationTime: 12,
    attributes: {
      mode: 1,
      uid: 2,
      gid: 3,
      nlink: 4,
      mtimeSeconds: -5,
      mtimeNanoseconds: 6,
      rdevMajor: 7,
      rdevMinor: 8,
      linkId: 9,
      xattrs: XATTRS,
    },
  });
  const text = capnp('decode', 'Dir', message, '--short').toString().trim();
  assert.equal(
    text,
    '(name = "n", location = "p/n", contents = [], parent = "p0", size = 4097, aclkey = "a0", ' +
      'modificationTime = 11, creationTime = 12, posix = (mode = 1, uid = 2, gid = 3, nlink = 4, ' +
      'mtimeNanoseconds = 6, rdevMajor = 7, rdevMinor = 8, mtime = -5, linkId = 9, ' +
      'xattrs = [(name = "user.a", value = "\\000\\001\\377")]))',
  );
});

test('encodeAci() and decodeAci() agree with capnp', options, () => {
  const aci: AciRecord = { uname: 'www', gname: '33', mode: 0o104755, uid: 33n, gid: 0n };
  const text = capnp('decode', 'ACI', encodeAci(aci), '--short').toString().trim();
  assert.equal(text, '(uname = "www", gname = "33", mode = 35309, id = 0, uid = 33, gid = 0)');
  assert.deepEqual(decodeAci(capnp('encode', 'ACI', Buffer.from(text))), aci);
  const none = capnp('encode', 'ACI', Buffer.from('(uname = "x")'));
  assert.deepEqual(decodeAci(none), { uname: 'x', gname: '', mode: 0, uid: -1n, gid: -1n });
});
