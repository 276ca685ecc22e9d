/**
 * Real flists of all historical generations against listings made by other tools: every record field
 * by field, and the tree that mounts of those days showed.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fromHex, toHex } from '../../../../src/base/bytes.ts';
import { CODEC } from '../../../../src/base/codec.ts';
import type { MetadataDatabase } from '../../../../src/format/database.ts';
import { keyBytes, ROOT_KEYS } from '../../../../src/format/flist/keys.ts';
import { type Flist, readFlist } from '../../../../src/format/flist/open.ts';
import { collectFlist } from '../../../../src/format/flist/package.ts';
import {
  type DirRecord,
  decodeAci,
  decodeDir,
  type InodeRecord,
} from '../../../../src/format/flist/records.ts';
import { mergeTrees, stackTrees } from '../../../../src/format/flist/stack.ts';
import { type Inode, S_IFMT } from '../../../../src/format/tree.ts';
import { fixturesDir } from '../../../support/fixtures.ts';
import { paths } from '../../../support/flist-trees.ts';

interface ExpectedEntry {
  type: 'dir' | 'file' | 'link' | 'special';
  size: number;
  mtime: number;
  ctime: number;
  aclkey: string;
  uname: string;
  gname: string;
  mode: string;
  uid?: number;
  gid?: number;
  dirKey?: string;
  parentKey?: string | null;
  children?: string[];
  blockSize?: number;
  chunks?: ({ key: string; decipher: string } | [key: string, decipher: string])[];
  target?: string;
  targetHex?: string;
  specialType?: string;
  specialData?: string;
  fs?: { mode: string; uid: number; gid: number; size: number; mtime: number } | null;
}
interface Expected {
  counts: Record<string, number>;
  metadata?: Record<string, string>;
  entries: Record<string, ExpectedEntry>;
  dbEntries?: Record<string, { kind: string; location?: string; length: number; sha256: string }>;
  dbEntryCount?: number;
}
interface ViewEntry {
  mode: string;
  content?: string;
  target?: string;
}

const fixtures = fixturesDir();
const options = { skip: fixtures === undefined ? 'fixtures are not installed' : false };
const SPECIAL_TYPES = ['socket', 'block', 'chardev', 'fifopipe', 'unknown'];

function open(name: string): Promise<Flist> {
  return collectFlist(createReadStream(join(fixtures ?? '', name))).then(readFlist);
}

function json<T>(name: string): T {
  const bytes = readFileSync(join(fixtures ?? '', name));
  return JSON.parse((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()) as T;
}

/** The hex of a path, name or target in which odd bytes are written as `%XX`. */
function hexOf(text: string): string {
  const parts = text.split(/%([0-9A-F]{2})/);
  return parts
    .map((part, i) => (i % 2 ? part : Buffer.from(part).toString('hex')))
    .join('')
    .toLowerCase();
}

interface Listed {
  readonly record: DirRecord | InodeRecord;
  readonly key?: string;
}

/** All records by the hex of their paths. Of several entries with one name the last one counts. */
function listRecords(database: MetadataDatabase): Map<string, Listed> {
  const rootKey = ROOT_KEYS.find((key) => database.get(keyBytes(key)) !== undefined) ?? '';
  const listed = new Map<string, Listed>();
  const pending = [{ path: '', key: rootKey }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const record = decodeDir(database.get(keyBytes(next.key)) ?? new Uint8Array());
    listed.set(next.path, { record, key: next.key });
    for (const entry of record.contents) {
      const path = `${next.path === '' ? '' : `${next.path}2f`}${toHex(entry.name)}`;
      if (entry.body.type === 'dir') pending.push({ path, key: entry.body.key });
      else listed.set(path, { record: entry });
    }
  }
  return listed;
}

/** What the listing says of a record, in its own words. */
function describe({ record, key }: Listed, expected: ExpectedEntry, database: MetadataDatabase) {
  const aci = decodeAci(database.get(keyBytes(record.aciKey)) ?? new Uint8Array());
  const digits = expected.mode.length;
  const described: Record<string, unknown> = {
    type: 'contents' in record ? 'dir' : record.body.type,
    size: record.size,
    mtime: record.modificationTime,
    ctime: record.creationTime,
    aclkey: record.aciKey,
    uname: aci.uname,
    gname: aci.gname,
    mode: aci.mode.toString(8).padStart(digits, '0'),
    ...('uid' in expected && { uid: Number(aci.uid), gid: Number(aci.gid) }),
  };
  if ('contents' in record) {
    described['dirKey'] = key;
    if (expected.parentKey !== undefined) described['parentKey'] = record.parent || null;
    if (expected.children) described['children'] = record.contents.map(({ name }) => toHex(name));
    return described;
  }
  const { body } = record;
  if (body.type === 'file') {
    described['blockSize'] = body.blockSize;
    described['chunks'] = body.blocks.map((block) => [chunkText(block.hash), chunkText(block.key)]);
  }
  if (body.type === 'link') described['target'] = toHex(body.target);
  if (body.type === 'special') {
    described['specialType'] = SPECIAL_TYPES[body.specialType];
    described['specialData'] = Buffer.from(body.data).toString();
  }
  return described;
}

/** G1 stores its ids as text, later generations as bytes. */
function chunkText(bytes: Uint8Array): string {
  return bytes.length === 64 ? Buffer.from(bytes).toString() : toHex(bytes);
}

const DESCRIBED = [
  ...['type', 'size', 'mtime', 'ctime', 'aclkey', 'uname', 'gname', 'mode', 'uid', 'gid'],
  ...['dirKey', 'parentKey', 'blockSize', 'specialType', 'specialData'],
] as const;

function wanted(entry: ExpectedEntry): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const field of DESCRIBED) {
    const value = (entry as unknown as Record<string, unknown>)[field];
    if (value !== undefined) picked[field] = value;
  }
  if (entry.children) picked['children'] = entry.children.map(hexOf);
  if (entry.target !== undefined) picked['target'] = entry.targetHex ?? hexOf(entry.target);
  if (entry.chunks) {
    picked['chunks'] = entry.chunks.map((chunk) =>
      Array.isArray(chunk) ? chunk.slice(0, 2) : [chunk.key, chunk.decipher],
    );
  }
  return picked;
}

function compareRecords(database: MetadataDatabase, expected: Expected): void {
  const listed = listRecords(database);
  assert.equal(listed.size, Object.keys(expected.entries).length);
  const counts: Record<string, number> = {};
  for (const [path, entry] of Object.entries(expected.entries)) {
    const found = listed.get(path === '/' ? '' : hexOf(path));
    assert.ok(found, path);
    assert.deepEqual(describe(found, entry, database), wanted(entry), path);
    counts[entry.type] = (counts[entry.type] ?? 0) + 1;
  }
  for (const [type, count] of Object.entries(counts)) assert.equal(count, expected.counts[type]);
}

/** The tree against the same listing: types, owners, times, sizes, targets and chunk ids. */
function compareTree(root: Inode, expected: Expected): void {
  const tree = new Map(paths(root));
  assert.equal(tree.size, Object.keys(expected.entries).length);
  const types: Record<string, number> = { dir: 0o04, file: 0o10, link: 0o12 };
  for (const [path, entry] of Object.entries(expected.entries)) {
    const inode = tree.get(path === '/' ? '' : hexOf(path));
    assert.ok(inode, path);
    if (entry.type !== 'special')
      assert.equal((inode.mode & S_IFMT) >> 12, types[entry.type], path);
    assert.equal(inode.mode & 0o7777, Number.parseInt(entry.mode, 8) & 0o7777, path);
    if (entry.uid !== undefined)
      assert.deepEqual([inode.uid, inode.gid], [entry.uid, entry.gid], path);
    assert.equal(inode.mtimeSeconds, entry.mtime, path);
    assert.equal(inode.size, entry.type === 'file' ? entry.size : 0, path);
    if (entry.target !== undefined) {
      assert.equal(toHex(inode.target ?? new Uint8Array()), entry.targetHex ?? hexOf(entry.target));
    }
    assert.deepEqual(
      (inode.content?.chunks ?? []).map(({ id, plainDigest }) => [toHex(id), toHex(plainDigest)]),
      wanted(entry)['chunks'] ?? [],
      path,
    );
  }
}

test('zflist sample: every record is what the other decoder read', options, async () => {
  compareRecords((await open('zflist/sample.flist')).database, json('zflist/expected.json'));
});

test('zflist sample: the database has exactly the listed entries', options, async () => {
  const { database } = await open('zflist/sample.flist');
  const { dbEntries = {} } = json<Expected>('zflist/expected.json');
  const found: Record<string, unknown> = {};
  for (const [key, value] of database.entries()) {
    const isDir = key.length === 32;
    found[Buffer.from(key).toString()] = {
      kind: isDir ? 'dir' : 'aci',
      ...(isDir && { location: toHex(decodeDir(value).location) }),
      length: value.length,
      sha256: createHash('sha256').update(value).digest('hex'),
    };
  }
  const listed = Object.entries(dbEntries).map(([key, { kind, location, length, sha256 }]) => [
    key,
    {
      kind: kind === 'dir' ? 'dir' : 'aci',
      ...(kind === 'dir' && { location: hexOf(location ?? '') }),
      length,
      sha256,
    },
  ]);
  assert.deepEqual(found, Object.fromEntries(listed));
});

test('zflist sample: metadata is kept in order', options, async () => {
  const { metadata, generation } = await open('zflist/sample.flist');
  const expected = json<Expected>('zflist/expected.json').metadata ?? {};
  assert.equal(generation, 'sqlite');
  assert.deepEqual([...metadata], Object.entries(expected));
});

test('zflist sample: the tree has all paths', options, async () => {
  compareTree((await open('zflist/sample.flist')).tree(), json('zflist/expected.json'));
});

test('zflist sample: the tree is what a historical mount showed', options, async () => {
  const tree = new Map(paths((await open('zflist/sample.flist')).tree()));
  let compared = 0;
  for (const [path, { fs, type }] of Object.entries(
    json<Expected>('zflist/expected.json').entries,
  )) {
    if (!fs) continue;
    const inode = tree.get(path === '/' ? '' : hexOf(path));
    assert.ok(inode, path);
    // That mount dropped setuid, setgid and sticky.
    assert.equal((inode.mode & ~0o7000).toString(8), fs.mode.slice(2), path);
    assert.deepEqual([inode.uid, inode.gid, inode.mtimeSeconds], [fs.uid, fs.gid, fs.mtime], path);
    const size = { dir: 4096, file: inode.size, link: inode.target?.length, special: 0 }[type];
    assert.equal(size, fs.size, path);
    compared++;
  }
  assert.ok(compared > 350, `${compared} paths`);
});

test('legacy sample: every record is what its maker wrote', options, async () => {
  const flist = await open('rocksdb/sample-legacy.flist');
  const expected = json<Expected>('rocksdb/expected.json');
  assert.equal(flist.generation, 'g1');
  // Directories are listed by their messages, which is where their names are.
  compareRecords(flist.database, expected);
  compareTree(flist.tree(), expected);
});

test('flist of 2017: every record and path is what the other decoder read', options, async () => {
  const flist = await open('rocksdb/ubuntu1604-2017.flist');
  const expected = json<Expected>('rocksdb/ubuntu1604-2017.expected.json.gz');
  assert.equal([...flist.database.entries()].length, expected.dbEntryCount);
  compareRecords(flist.database, expected);
  compareTree(flist.tree(), expected);
  const codecs = new Set<number>();
  for (const [, inode] of paths(flist.tree())) {
    for (const { codec } of inode.content?.chunks ?? []) codecs.add(codec);
  }
  assert.deepEqual([...codecs], [CODEC.legacyG1]);
});

/** Compares with a recorded view; contents by the digest that stands in for them. */
function compareView(
  root: Inode,
  view: Readonly<Record<string, ViewEntry>>,
  digests: Digests,
): void {
  const shown: Record<string, unknown> = {};
  for (const [path, inode] of paths(root)) {
    const name = path === '' ? '/' : Buffer.from(fromHex(path) ?? []).toString();
    const [chunk] = inode.content?.chunks ?? [];
    const content = chunk && digests.get(toHex(chunk.plainDigest));
    shown[name] = {
      ...(content !== undefined && { content }),
      mode: `0o${inode.mode.toString(8)}`,
      ...(inode.target && { target: Buffer.from(inode.target).toString() }),
    };
  }
  assert.deepEqual(shown, view);
}

type Digests = ReadonlyMap<string, string>;
interface Layers {
  lower: Record<
    string,
    { name: string; type: string; mode: string; content?: string; target?: string }[]
  >;
  upper: Layers['lower'];
  mergedDirs: Layers['lower'];
  stackedView: Record<string, ViewEntry>;
  mergedView: Record<string, ViewEntry>;
  metadata: Record<string, Record<string, string>>;
}

/** Text of each content by its digest, learnt from the raw listings. */
async function layers() {
  const expected = json<Layers>('zflist/layers/expected.json');
  const digests = new Map<string, string>();
  for (const [name, listing] of [
    ['lower', expected.lower],
    ['upper', expected.upper],
  ] as const) {
    const tree = (await open(`zflist/layers/${name}.flist`)).tree();
    for (const [path, inode] of paths(tree)) {
      const [chunk] = inode.content?.chunks ?? [];
      const parts = Buffer.from(fromHex(path) ?? [])
        .toString()
        .split('/');
      const own = parts.pop();
      const text = listing[parts.join('/') || '/']?.find((entry) => entry.name === own)?.content;
      if (chunk && text !== undefined) digests.set(toHex(chunk.plainDigest), text);
    }
  }
  assert.equal(digests.size, 7);
  return { expected, digests };
}

for (const name of ['lower', 'upper', 'merged'] as const) {
  test(`zflist layers: directories of ${name} in stored order`, options, async () => {
    const { expected, digests } = await layers();
    const { database, metadata } = await open(`zflist/layers/${name}.flist`);
    const raw: Layers['lower'] = {};
    for (const [key, value] of database.entries()) {
      if (key.length !== 32) continue;
      const record = decodeDir(value);
      raw[Buffer.from(record.location).toString() || '/'] = record.contents.map((entry) => {
        const sub = entry.body.type === 'dir' && database.get(keyBytes(entry.body.key));
        const aci = decodeAci(
          database.get(keyBytes((sub ? decodeDir(sub) : entry).aciKey)) ?? new Uint8Array(),
        );
        const [block] = entry.body.type === 'file' ? entry.body.blocks : [];
        const content = block && digests.get(toHex(block.key));
        return {
          ...(content !== undefined && { content }),
          mode: aci.mode.toString(8).padStart(4, '0'),
          name: Buffer.from(entry.name).toString(),
          ...(entry.body.type === 'link' && { target: Buffer.from(entry.body.target).toString() }),
          type: entry.body.type,
        };
      });
    }
    assert.deepEqual(raw, name === 'merged' ? expected.mergedDirs : expected[name]);
    assert.deepEqual(Object.fromEntries(metadata), expected.metadata[name]);
  });
}

test('zflist layers: stackTrees() shows what a mount of both showed', options, async () => {
  const { expected, digests } = await layers();
  const lower = (await open('zflist/layers/lower.flist')).tree();
  const upper = (await open('zflist/layers/upper.flist')).tree();
  compareView(stackTrees([lower, upper]), expected.stackedView, digests);
});

test('zflist layers: the merged flist shows what its mount showed', options, async () => {
  const { expected, digests } = await layers();
  compareView((await open('zflist/layers/merged.flist')).tree(), expected.mergedView, digests);
});

test(
  'zflist layers: mergeTrees() gives the merged flist without its duplicate',
  options,
  async () => {
    const { expected, digests } = await layers();
    const lower = (await open('zflist/layers/lower.flist')).tree();
    const upper = (await open('zflist/layers/upper.flist')).tree();
    // The tool added the directory of the second beside the file of the first; the first wins here.
    const { 'filedir/in': _, ...view } = expected.mergedView;
    view['filedir'] = { content: 'A\n', mode: '0o100644' };
    compareView(mergeTrees([lower, upper]), view, digests);
  },
);
