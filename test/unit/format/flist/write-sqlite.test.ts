/**
 * Databases of the sqlite generation as we write them: against databases that zflist itself has made, read
 * by the reference implementation of Cap'n Proto, and by our own reader.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import initSqlJs from 'sql.js';
import { isG8Error } from '../../../../src/base/errors.ts';
import { dumpTree } from '../../../../src/format/flist/dump.ts';
import { historicalLosses } from '../../../../src/format/flist/losses.ts';
import { readFlist } from '../../../../src/format/flist/open.ts';
import { ownerNames } from '../../../../src/format/flist/owner-names.ts';
import { collectFlist } from '../../../../src/format/flist/package.ts';
import { readTree } from '../../../../src/format/flist/read-tree.ts';
import { openSqlite } from '../../../../src/format/flist/sqlite.ts';
import { buildSqlite } from '../../../../src/format/flist/sqlite-writer.ts';
import { writeSqliteRecords } from '../../../../src/format/flist/write-sqlite-records.ts';
import { S_IFREG } from '../../../../src/format/tree.ts';
import { fixturesDir } from '../../../support/fixtures.ts';
import {
  blockDevice,
  bytes,
  directory,
  fifo,
  file,
  MemoryDatabase,
  symlink,
} from '../../../support/flist-trees.ts';

const fixtures = fixturesDir();
const TOOL = 'capnp';
const hasTool = spawnSync(TOOL, ['--version']).status === 0;
const options = {
  skip: fixtures === undefined || !hasTool ? 'fixtures or the tool capnp are missing' : false,
};
const SAMPLES = ['sample', 'layers/lower', 'layers/upper'];

async function* once(path: string): AsyncGenerator<Uint8Array> {
  yield readFileSync(path);
}

async function sample(name: string) {
  const path = join(fixtures as string, 'zflist', `${name}.flist`);
  const members = await collectFlist(once(path));
  return { flist: await readFlist(members), members };
}

function schema(): string {
  let folder = import.meta.dirname;
  for (;;) {
    const path = join(folder, 'docs/flist.capnp');
    if (spawnSync('test', ['-f', path]).status === 0) return path;
    folder = dirname(folder);
  }
}

/** The message as text, without what a tree does not record, and with special files as they should be. */
function decoded(key: string, message: Uint8Array): string {
  const type = key.length === 32 ? 'Dir' : 'ACI';
  const text = execFileSync(TOOL, ['decode', schema(), type], { input: message });
  return text
    .toString('latin1')
    .replace(/creationTime = \d+/g, 'creationTime = 0')
    .replace(/special = \((?:type = \w+|data = "(?:[^"\\]|\\.)*"|,\s*)*\)/g, 'special');
}

for (const name of SAMPLES) {
  test(`the records of ${name}.flist are what zflist has written`, options, async () => {
    const { flist } = await sample(name);
    const names = ownerNames(flist.database, 'sqlite');
    const written = new MemoryDatabase(writeSqliteRecords(flist.tree(), names));
    const original = new MemoryDatabase(flist.database.entries());
    assert.deepEqual([...written.values.keys()].sort(), [...original.values.keys()].sort());
    for (const [key, message] of original.values) {
      assert.equal(decoded(key, written.values.get(key)!), decoded(key, message), key);
    }
  });

  test(`a database made of ${name}.flist gives the same tree and metadata`, options, async () => {
    const { flist } = await sample(name);
    const names = ownerNames(flist.database, 'sqlite');
    const file = await buildSqlite(writeSqliteRecords(flist.tree(), names), flist.metadata);
    const again = await openSqlite(file);
    assert.deepEqual([...dumpTree(readTree(again))], [...dumpTree(flist.tree())]);
    assert.deepEqual([...again.metadata()], [...flist.metadata]);
    assert.deepEqual(historicalLosses(flist.tree()), []);
  });
}

test('buildSqlite() writes the schema, page size and encoding of zflist', options, async () => {
  const { members } = await sample('sample');
  const { Database } = await initSqlJs();
  const describe = (file: Uint8Array) => {
    const database = new Database(file);
    const answers = ['PRAGMA page_size', 'PRAGMA encoding', 'SELECT sql FROM sqlite_master'].map(
      (query) => database.exec(query)[0]?.values,
    );
    database.close();
    return answers;
  };
  const normal = (value: unknown) => JSON.stringify(value).replaceAll(' (', '(');
  const file = await buildSqlite([], new Map());
  assert.equal(normal(describe(file)), normal(describe(members.get('flistdb.sqlite3')!)));
});

test('buildSqlite() gives the same bytes for the same rows', async () => {
  const records = [...writeSqliteRecords(directory({ a: directory({ b: file('') }) }))];
  const metadata = new Map([['k', 'v']]);
  assert.deepEqual(await buildSqlite(records, metadata), await buildSqlite(records, metadata));
  const twice = [...records, records[0]!];
  await assert.rejects(buildSqlite(twice, metadata), (error) => isG8Error(error, 'ERR_CREATE'));
});

test('writeSqliteRecords() keeps the types of special files, setuid and root attributes', () => {
  const tree = directory(
    { b: blockDevice(8, 300), p: fifo(), s: symlink('x'), u: file('', { mode: S_IFREG | 0o4755 }) },
    { mode: 0o41777, uid: 5, gid: 4_000_000_000, mtimeSeconds: 7 },
  );
  const again = readTree(new MemoryDatabase(writeSqliteRecords(tree)));
  assert.deepEqual([...dumpTree(again)], [...dumpTree(tree)]);
});

test('historicalLosses() counts what the records cannot say', () => {
  const linked = file('', { xattrs: [{ name: bytes('user.a'), value: bytes('1') }] });
  const tree = directory(
    { a: linked, b: linked, c: linked, old: file('', { mtimeSeconds: -1 }) },
    { mtimeNanoseconds: 1, mtimeSeconds: 2 ** 33 },
  );
  assert.deepEqual(historicalLosses(tree), [
    { what: 'fractions of seconds', count: 1 },
    { what: 'times after 2106', count: 1 },
    { what: 'extended attributes', count: 1 },
    { what: 'hard links', count: 2 },
    { what: 'times before 1970', count: 1 },
  ]);
  const again = readTree(new MemoryDatabase(writeSqliteRecords(tree)));
  assert.deepEqual(again.entries?.at(-1)?.inode.mtimeSeconds, 0);
});

test('writeSqliteRecords() refuses what zflist has no room for', () => {
  const many = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [`${i}`.padStart(200, '0'), file('')]),
  );
  assert.throws(
    () => [...writeSqliteRecords(directory({ d: directory(many) }))],
    (error) => isG8Error(error, 'ERR_CREATE') && /^Directory \/d takes/.test(error.message),
  );
  const userName = () => 'n'.repeat(5000);
  assert.throws(
    () => [...writeSqliteRecords(directory({ f: file('', { uid: 3 }) }), { userName })],
    (error) => isG8Error(error, 'ERR_CREATE') && /^Owner/.test(error.message),
  );
});
