import assert from 'node:assert/strict';
import test from 'node:test';
import { PathTable } from '../../../../src/format/index/paths.ts';
import type { MountIndexReader } from '../../../../src/format/index/reader.ts';
import { buildMountIndex } from '../../../../src/format/index/writer.ts';
import type { Inode } from '../../../../src/format/tree.ts';
import { directory, file, filesOf, openIndex, sampleTree } from '../../../support/index-trees.ts';

function readerOf(root: Inode): MountIndexReader {
  return openIndex(filesOf(buildMountIndex(root))).index;
}

function tableOf(reader: MountIndexReader): PathTable {
  const table = new PathTable(reader);
  for (const _step of table.build());
  return table;
}

/** Checks that each inode is found under one of its names. */
function checkAll(root: Inode): void {
  const reader = readerOf(root);
  const table = tableOf(reader);
  const names = new Map<number, string[]>();
  for (const entry of reader.walk()) {
    const paths = names.get(entry.nid) ?? [];
    names.set(entry.nid, [...paths, Buffer.from(entry.path()).toString('latin1')]);
  }
  for (const [nid, paths] of names) {
    const found = Buffer.from(table.find(nid) ?? []).toString('latin1');
    assert.ok(paths.includes(found), `${found} is one of ${paths.join(' ')}`);
    if (found === '/') continue;
    const byNumber = table.findNumber(reader.inode(nid).ino) ?? [];
    assert.equal(Buffer.from(byNumber).toString('latin1'), found);
  }
}

test('PathTable.find() knows every inode of a tree with all types', () => {
  checkAll(sampleTree());
});

test('PathTable.find() knows inodes of deep and wide folders, hard links among them', () => {
  const shared = Array.from({ length: 40 }, (_, i) => file(`shared ${i}`, 10));
  const wide = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`f${i}`, file(`file ${i}`, 10)]),
  );
  let deep = directory({ end: file('end', 1) });
  for (let depth = 0; depth < 200; depth++) deep = directory({ [`d${depth}`]: deep });
  const links = (from: number, to: number) =>
    directory(Object.fromEntries(shared.slice(from, to).map((inode, i) => [`l${i}`, inode])));
  checkAll(
    directory({
      a: directory({ empty: directory({}), wide: directory(wide) }),
      // Folders with nothing but names that others share.
      b: links(0, 20),
      c: links(10, 40),
      d: links(0, 40),
      e: directory({ x: file('x', 1), y: directory({ z: links(30, 31) }) }),
      z: deep,
    }),
  );
});
