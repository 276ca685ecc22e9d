import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { toHex } from '../../../src/base/bytes.ts';
import type { FillSpan } from '../../../src/cache/load.ts';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { PathTable } from '../../../src/format/index/paths.ts';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { LinkedFiles } from '../../../src/fs/foresight/linked-files.ts';
import { temporaryDir } from '../../support/cache-fixture.ts';
import { elfFile } from '../../support/elf-file.ts';
import { directory, file, symlink } from '../../support/index-trees.ts';

const BLOCK = 512 * 1024;

/** Files below `/lib` whose bytes are on disk once they have been fetched. */
async function world(t: TestContext, files: Readonly<Record<string, Buffer>>) {
  const dir = await temporaryDir(t);
  const inodes = Object.entries(files).map(([name, bytes]) => [name, file(name, bytes.length)]);
  const image = buildMountIndex(
    directory({
      lib: directory({ ...Object.fromEntries(inodes), 'libalias.so': symlink('libreal.so') }),
    }),
  );
  const read = (pieces: Iterable<Uint8Array>) => bufferSource(Buffer.concat([...pieces]));
  const contents = new ContentsReader(read(image.contents()), read(image.chunks()));
  const index = new MountIndexReader(read(image.erofs()));
  const rows = new Map<string, number>();
  const names = new Map<string, string>();
  for (const name of Object.keys(files)) {
    const nid = index.resolvePath(Buffer.from(`/lib/${name}`)) as number;
    const row = contents.contentOf(index.inode(nid).ino) as number;
    rows.set(name, row);
    names.set(toHex(contents.content(row).digest), name);
  }
  const asked: string[][] = [];
  const state = { answers: true };
  const store = ({ ref }: Pick<FillSpan, 'ref'>): string => {
    const name = names.get(toHex(ref.digest)) as string;
    writeFileSync(join(dir, toHex(ref.digest)), files[name] as Buffer);
    return name;
  };
  const linked = new LinkedFiles({
    contents,
    layout: { filePath: (key) => join(dir, key), partialPath: (key) => join(dir, `${key}.part`) },
    fetch: async (spans) => {
      asked.push(spans.map((span) => `${names.get(toHex(span.ref.digest))} ${span.first}`));
      if (state.answers) for (const span of spans) store(span);
      return state.answers;
    },
  });
  const tree = { index, paths: new PathTable(index) };
  const follow = async (name: string): Promise<void> => {
    const row = rows.get(name) as number;
    const { digest } = contents.content(row);
    writeFileSync(join(dir, toHex(digest)), files[name] as Buffer);
    await linked.follow({ row, path: `/lib/${name}` }, tree);
  };
  return { asked, follow, state };
}

/** An ELF file whose data begins in block 2 of 4; header, strings and dynamic entries are in the first. */
function largeElf(needed: readonly string[]): Buffer {
  const bytes = Buffer.concat([elfFile(needed), Buffer.alloc(4 * BLOCK - 1024)]);
  // The third segment becomes a second one to load, writable; the second stays the dynamic entries.
  const data = 64 + 56;
  bytes.writeUInt32LE(1, data);
  bytes.writeUInt32LE(6, data + 4);
  bytes.writeBigUInt64LE(BigInt(2 * BLOCK), data + 8);
  bytes.writeBigUInt64LE(BigInt(BLOCK), data + 32);
  return bytes;
}

test('what a program names is asked for at once, and what that names', async (t) => {
  const { asked, follow } = await world(t, {
    program: elfFile(['liba.so', 'libalias.so', 'absent.so']),
    'ld.so': Buffer.from('no ELF file, whatever its name says, but long enough for a header'),
    'liba.so': elfFile(['libb.so']),
    'libreal.so': elfFile(['liba.so']),
    'libb.so': elfFile(['program']),
  });
  await follow('program');
  assert.deepEqual(asked, [['ld.so 0'], ['liba.so 0', 'libreal.so 0'], ['libb.so 0']]);
  await follow('liba.so');
  assert.equal(asked.length, 3, 'each is followed once');
});

test('of a large file the end and the data come first, then what it names, then the rest', async (t) => {
  const { asked, follow } = await world(t, {
    'big.so': largeElf(['liba.so']),
    'liba.so': elfFile([]),
  });
  await follow('big.so');
  assert.deepEqual(asked.sort(), [['big.so 1'], ['big.so 3', 'big.so 2'], ['liba.so 0']]);
});

test('a file that is no ELF file is asked nothing for', async (t) => {
  const { asked, follow } = await world(t, { script: Buffer.from('#!/bin/sh\n'.repeat(50)) });
  await follow('script');
  assert.deepEqual(asked, []);
});

test('nothing more is asked for when nothing may be fetched', async (t) => {
  const { asked, follow, state } = await world(t, {
    program: elfFile(['liba.so']),
    'liba.so': elfFile(['libb.so']),
    'libb.so': elfFile([]),
  });
  state.answers = false;
  await follow('program');
  assert.deepEqual(asked, [['liba.so 0']]);
});
