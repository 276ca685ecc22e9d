/**
 * Whole packages, cut off at every byte and damaged at every byte: whoever opens one gets a `G8Error` or
 * a tree, in bounded time, and never anything else. What a cut or damage leaves readable is read to its
 * end, so that late surprises are found too.
 */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { blake2bReady } from '../../src/base/blake2b.ts';
import { isG8Error } from '../../src/base/errors.ts';
import { dumpTree } from '../../src/format/flist/dump.ts';
import { readFlist } from '../../src/format/flist/open.ts';
import { collectFlist, MEMBER, packFlist } from '../../src/format/flist/package.ts';
import { writeRecords } from '../../src/format/flist/write-records.ts';
import { buildMountIndex } from '../../src/format/index/writer.ts';
import { buildRocksdb } from '../../src/format/rocksdb/writer.ts';
import { openImage } from '../../src/image/open.ts';
import { directory, file, inode, symlink } from '../support/index-trees.ts';
import { PlainCodec } from '../support/node-scan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { amount } from '../support/thorough.ts';

/** What a package may be refused with. */
const REFUSALS = ['ERR_FLIST_FORMAT', 'ERR_FLIST_VERSION'] as const;
/** Each of these is another way to be wrong: nothing, everything, the sign bit, the lowest bit. */
const DAMAGES = [
  () => 0,
  () => 0xff,
  (byte: number) => byte ^ 0x80,
  (byte: number) => byte ^ 0x01,
] as const;
/** Every offset would be a matter of minutes where each trial writes files. */
const FILE_STRIDE = amount(181, 61);
/** Odd, and no divisor of a tar block or of a record, so that every field is met somewhere. */
const STRIDE = amount(7, 1);

const tree = directory({
  bin: directory({ sh: file('sh', 9000), link: symlink('sh') }),
  dev: directory({ null: inode(0o020000, { rdevMajor: 1, rdevMinor: 3 }) }),
  empty: file('', 0, { xattrs: { 'user.a': 'b' } }),
});

async function packageOf(compression: 'gzip' | 'none', withIndex: boolean): Promise<Buffer> {
  const index = buildMountIndex(tree);
  const parts: [string, Iterable<Uint8Array>][] = withIndex
    ? [
        [MEMBER.erofs, index.erofs()],
        [MEMBER.contents, index.contents()],
        [MEMBER.chunks, index.chunks()],
      ]
    : [];
  const texts: [string, Iterable<Uint8Array>][] = [
    [MEMBER.router, [Buffer.from('pools: {p: {"00:ff": "http://hub"}}\nlookup: [p]\n')]],
    [MEMBER.metadata, [Buffer.from('{"entrypoint": "[]"}\n')]],
  ];
  const records = [...buildRocksdb(writeRecords(tree))].map(
    ([name, bytes]): [string, Uint8Array[]] => [name, [bytes]],
  );
  const members = [...parts, ...texts, ...records].map(([name, data]) => {
    const bytes = Buffer.concat([...data]);
    return { name, size: bytes.length, data: [bytes] };
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of packFlist(members, { compression })) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** @returns whether there was a tree */
async function readRecords(bytes: Uint8Array): Promise<boolean> {
  return refusedOr(async () => {
    const flist = await readFlist(await collectFlist(once(bytes)));
    for (const line of dumpTree(flist.tree())) assert.ok(line.length > 0);
  });
}

/** The way of every command that looks: package, mount index, contents. @returns as above */
async function readIndex(dir: string, bytes: Uint8Array): Promise<boolean> {
  const path = join(dir, 'hostile.flist');
  writeFileSync(path, bytes);
  return refusedOr(async () => {
    const codec = new PlainCodec();
    const image = await openImage(path, { codec, tmpDir: dir });
    try {
      for (const { nid } of image.index.walk()) {
        const { type, ino } = image.index.inode(nid);
        image.index.xattrs(nid);
        if (type === 'symlink') image.index.readlink(nid);
        const content = type === 'file' ? image.contents.contentOf(ino) : undefined;
        if (content !== undefined) image.contents.toContent(content);
      }
    } finally {
      await image.close();
    }
  });
}

async function refusedOr(read: () => Promise<void>): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (error) {
    const isRefusal = REFUSALS.some((code) => isG8Error(error, code));
    if (!isRefusal) throw error;
    return false;
  }
}

before(blake2bReady);

for (const compression of ['none', 'gzip'] as const) {
  test(`reading the records of a package (${compression}) stands every cut`, async () => {
    const bytes = await packageOf(compression, false);
    assert.equal(await readRecords(bytes), true);
    let readable = 0;
    for (let size = 0; size < bytes.length; size += STRIDE) {
      if (await readRecords(bytes.subarray(0, size))) readable++;
    }
    // Without the end marker, or the padding in front of it, everything is still there.
    assert.ok(
      readable <= (compression === 'none' ? Math.ceil((2 * 512 + 512) / STRIDE) : 0),
      `${readable} were readable`,
    );
  });
}

test('reading the records of a package stands every byte being another', async () => {
  const bytes = await packageOf('none', false);
  let refused = 0;
  for (let at = 0; at < bytes.length; at += STRIDE) {
    const old = bytes[at] as number;
    const damaged = DAMAGES[at % DAMAGES.length]?.(old) ?? old;
    if (damaged === old) continue;
    bytes[at] = damaged;
    if (!(await readRecords(bytes))) refused++;
    bytes[at] = old;
  }
  assert.ok(refused > bytes.length / STRIDE / 16, `only ${refused} were refused`);
});

test('opening an image stands cuts and damage anywhere', async (context) => {
  const dir = temporaryDirectory(context);
  const bytes = await packageOf('none', true);
  assert.equal(await readIndex(dir, bytes), true);
  const outcomes = new Set<boolean>();
  for (let at = 0; at < bytes.length; at += FILE_STRIDE) {
    outcomes.add(await readIndex(dir, bytes.subarray(0, at)));
    const old = bytes[at] as number;
    bytes[at] = old ^ (1 << (at % 8));
    outcomes.add(await readIndex(dir, bytes));
    bytes[at] = old;
  }
  assert.deepEqual(outcomes, new Set([true, false]));
  // Refusals leave no temporary folder behind.
  assert.deepEqual(readdirSync(dir), ['hostile.flist']);
});
