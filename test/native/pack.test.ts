import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { blake2b } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { CODEC } from '../../src/base/codec.ts';
import { isG8Error } from '../../src/base/errors.ts';
import { chunkFiles } from '../../src/image/chunk.ts';
import { ChunkWriter } from '../../src/image/chunk-writer.ts';
import { readStoredFile } from '../../src/image/stored-files.ts';
import { Uploader } from '../../src/image/upload.ts';
import { walkTree } from '../../src/image/walk.ts';
import { addon } from '../../src/native/load.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { compressible } from '../support/encoded-chunk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const BLOCK = 4096;

/** Small files in several folders, some of them holes, some larger than a block. */
function makeTree(context: TestContext): string {
  const root = temporaryDirectory(context);
  for (let i = 0; i < 300; i++) {
    const folder = join(root, i % 3 === 0 ? '' : `folder-${i % 7}`);
    mkdirSync(folder, { recursive: true });
    const size = i % 50 === 1 ? 3 * BLOCK + i : 1 + ((i * 37) % BLOCK);
    const bytes = i % 20 === 0 ? new Uint8Array(size) : compressible(size).map((b) => b + i);
    writeFileSync(join(folder, `file-${i}`), bytes);
  }
  return root;
}

async function walk(source: string) {
  return walkTree(source, { scan: addon() });
}

describe('encodeFiles()', () => {
  it('makes of each file the chunk that it is alone', async (context) => {
    const source = makeTree(context);
    const { files } = await walk(source);
    const small = files.filter(({ inode }) => inode.size <= BLOCK);
    const chunks = await addon().encodeFiles(source, small, { level: 3 });
    assert.equal(chunks.length, small.length);
    for (const [i, { path }] of small.entries()) {
      const data = readFileSync(join(source, Buffer.from(path).toString()));
      assert.deepEqual(chunks[i], await addon().encodeChunk({ data, codec: CODEC.zstd }));
    }
    assert.ok(chunks.some(({ hole }) => hole));
    // Ids are kept for long and must not keep the bytes.
    assert.ok(chunks.every(({ id, stored }) => id.buffer !== stored.buffer));
  });

  it('rejects a file that is not as it was scanned, and names it', async (context) => {
    const changes: readonly [string, (path: string) => void, string][] = [
      ['longer', (path) => appendFileSync(path, 'x'), 'ERR_IO'],
      ['shorter', (path) => writeFileSync(path, 'x'), 'ERR_IO'],
      ['later', (path) => utimesSync(path, 1, 1), 'ERR_IO'],
      ['absent', (path) => unlinkSync(path), 'ERR_NO_INPUT'],
      [
        'a symlink',
        (path) => {
          unlinkSync(path);
          symlinkSync('/etc/passwd', path);
        },
        'ERR_NO_INPUT',
      ],
      [
        'a fifo',
        (path) => {
          unlinkSync(path);
          execFileSync('mkfifo', [path]);
        },
        'ERR_NO_INPUT',
      ],
    ];
    for (const [name, change, code] of changes) {
      const source = temporaryDirectory(context);
      for (const file of ['a', 'b', 'c']) writeFileSync(join(source, file), `bytes of ${file}`);
      const { files } = await walk(source);
      change(join(source, 'b'));
      await assert.rejects(
        addon().encodeFiles(source, files, { level: 3 }),
        (error) =>
          isG8Error(error) && error.code === code && error.details['path'] === `${source}/b`,
        name,
      );
    }
  });

  it('throws for what is no small file', async (context) => {
    const source = makeTree(context);
    const [file] = (await walk(source)).files;
    assert.ok(file !== undefined);
    const call = (change: object, level = 3) =>
      addon().encodeFiles(source, [{ ...file, scanned: { ...file.scanned, ...change } }], {
        level,
      });
    assert.throws(() => call({ size: 0 }), RangeError);
    assert.throws(() => call({ size: 4 * 2 ** 20 + 1 }), RangeError);
    assert.throws(() => call({ ino: 1 }), TypeError);
    assert.throws(() => call({}, 23), RangeError);
  });
});

describe('chunkFiles()', () => {
  it('gives the same contents with many files in one call as one by one', async (context) => {
    const source = makeTree(context);
    const contents: unknown[] = [];
    for (const pack of [undefined, addon()]) {
      const { files } = await walk(source);
      const stored = new Set<string>();
      const counts = { bytes: 0, holes: 0 };
      const writer = new ChunkWriter({
        codec: addon(),
        blockSize: BLOCK,
        level: 3,
        put: async (id) => void stored.add(toHex(id)),
        onBytes: (bytes, isHole) => {
          counts.bytes += bytes;
          counts.holes += isHole ? 1 : 0;
        },
      });
      await chunkFiles(source, files, { scan: addon(), writer, pack });
      const byPath = files.map(({ path, inode }) => [toHex(path), inode.content] as const);
      contents.push([byPath.sort(([a], [b]) => (a < b ? -1 : 1)), [...stored].sort(), counts]);
    }
    assert.deepEqual(contents[1], contents[0]);
  });
});

describe('storeFiles()', () => {
  it('gives the same contents, chunks and counts as reading and putting', async (context) => {
    const source = makeTree(context);
    writeFileSync(join(source, 'same'), readFileSync(join(source, 'folder-2/file-2')));
    const results: unknown[] = [];
    for (const pack of [{ encodeFiles: addon().encodeFiles }, addon()]) {
      const path = join(temporaryDirectory(context), 'store');
      const { writeChunks } = addon();
      const store = new DirectoryStore({ path, create: true, writeChunks });
      const uploader = new Uploader(store);
      const { files } = await walk(source);
      const counts = { bytes: 0, holes: 0 };
      const writer = new ChunkWriter({
        codec: addon(),
        blockSize: BLOCK,
        level: 3,
        put: (id, stored) => uploader.add(id, stored),
        folder: () => store.chunkFolder(),
        note: (id, storedSize, isNew) => uploader.note(id, storedSize, isNew),
        onBytes: (bytes, isHole) => {
          counts.bytes += bytes;
          counts.holes += isHole ? 1 : 0;
        },
      });
      await chunkFiles(source, files, { scan: addon(), writer, pack });
      await uploader.finish();
      const byPath = files.map(({ path, inode }) => [toHex(path), inode.content] as const);
      const stored: Record<string, string> = {};
      for await (const id of store.list()) stored[id] = toHex(await store.get(id));
      results.push([byPath.sort(([a], [b]) => (a < b ? -1 : 1)), stored, counts, uploader.counts]);
      assert.deepEqual(readdirSync(join(path, 'tmp')), []);
    }
    assert.deepEqual(results[1], results[0]);
  });

  it('leaves chunks that are there alone, and replaces those of another size', async (context) => {
    const source = temporaryDirectory(context);
    const store = temporaryDirectory(context);
    mkdirSync(join(store, 'tmp'));
    const ids = ['whole', 'flat', 'cut off', 'emptied'].map((text) => {
      writeFileSync(join(source, text), text);
      return toHex(blake2b(Buffer.from(text), 32));
    }) as [string, string, string, string];
    const placeOf = (id: string) => join(store, id.slice(0, 2), id);
    for (const id of ids) mkdirSync(join(store, id.slice(0, 2)), { recursive: true });
    writeFileSync(placeOf(ids[0]), 'WHOLE');
    writeFileSync(join(store, ids[1]), 'flat');
    writeFileSync(placeOf(ids[2]), 'cut');
    writeFileSync(placeOf(ids[3]), '');
    const files = (await walk(source)).files.toSorted((a, b) => Buffer.compare(a.path, b.path));
    const options = { level: 3, store, fsync: false };
    const rows = await addon().storeFiles(source, files, options);
    const isNew = files.map((_, i) => readStoredFile(rows, i)?.isNew);
    assert.deepEqual(isNew, [true, true, false, false]);
    assert.equal(readFileSync(placeOf(ids[0]), 'utf8'), 'WHOLE');
    assert.equal(readFileSync(placeOf(ids[2]), 'utf8'), 'cut off');
    assert.equal(readFileSync(placeOf(ids[3]), 'utf8'), 'emptied');
    assert.deepEqual(readdirSync(join(store, 'tmp')), []);
  });

  it('names what it could not read or write, and leaves no temporary file', async (context) => {
    const source = temporaryDirectory(context);
    const store = temporaryDirectory(context);
    writeFileSync(join(source, 'file'), 'text');
    const { files } = await walk(source);
    const call = () => addon().storeFiles(source, files, { level: 3, store, fsync: true });
    await assert.rejects(call(), { code: 'ERR_NO_INPUT' });
    mkdirSync(join(store, 'tmp'));
    const id = toHex(blake2b(Buffer.from('text'), 32));
    // A folder of that name is in the way.
    mkdirSync(join(store, id.slice(0, 2), id), { recursive: true });
    await assert.rejects(
      call(),
      (error) => isG8Error(error, 'ERR_IO') && error.message.includes(`Cannot write chunk ${id}`),
    );
    assert.deepEqual(readdirSync(join(store, 'tmp')), []);
    utimesSync(join(source, 'file'), 1, 1);
    await assert.rejects(
      call(),
      (error) => isG8Error(error, 'ERR_IO') && error.details['path'] === `${source}/file`,
    );
  });
});

describe('missing() of a directory store', () => {
  it('answers as one look at each chunk does', async (context) => {
    const path = temporaryDirectory(context);
    const ids = Array.from({ length: 2000 }, (_, i) => toHex(blake2b(Buffer.from(`${i}`), 32)));
    for (const [i, id] of ids.entries()) {
      const folder = join(path, i % 10 === 0 ? '' : id.slice(0, 2));
      if (i % 3 === 0) continue;
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, id), i % 7 === 0 ? '' : 'x');
    }
    const plain = new DirectoryStore({ path });
    const many = new DirectoryStore({ path, findChunks: addon().findChunks });
    const missing = await many.missing(ids);
    assert.deepEqual(missing.toSorted(), (await plain.missing(ids)).toSorted());
    assert.ok(missing.length > 600 && missing.length < 1200);
  });

  it('has nothing before it is made, and is refused when it is gone', async (context) => {
    const path = join(temporaryDirectory(context), 'no');
    const { findChunks } = addon();
    const id = 'a'.repeat(64);
    assert.deepEqual(await new DirectoryStore({ path, create: true, findChunks }).missing([id]), [
      id,
    ]);
    await assert.rejects(new DirectoryStore({ path, findChunks }).missing([id]), {
      code: 'ERR_STORE_UNAVAILABLE',
    });
    await assert.rejects(findChunks(path, ['../escape']), { code: 'ERR_USAGE' });
  });
});

describe('putMany() of a directory store', () => {
  const chunksOf = (texts: readonly string[]) => {
    const named = texts.map((text) => [toHex(blake2b(Buffer.from(text), 32)), Buffer.from(text)]);
    return new Map(named as [string, Uint8Array][]);
  };
  const storeIn = (path: string, fsync = false) =>
    new DirectoryStore({ path, create: true, fsync, writeChunks: addon().writeChunks });

  it('writes what is not there and says so', async (context) => {
    const path = join(temporaryDirectory(context), 'new/store');
    const store = storeIn(path, true);
    const texts = Array.from({ length: 500 }, (_, i) => `chunk ${i}`);
    const some = chunksOf(texts.slice(0, 200));
    const all = chunksOf(texts);
    assert.deepEqual((await store.putMany?.(some))?.sort(), [...some.keys()].sort());
    const added = await store.putMany?.(all);
    assert.deepEqual(added?.sort(), [...all.keys()].filter((id) => !some.has(id)).sort());
    assert.deepEqual(await store.putMany?.(all), []);
    for (const [id, bytes] of all) assert.deepEqual(await store.get(id), new Uint8Array(bytes));
    assert.deepEqual(readdirSync(join(path, 'tmp')), []);
  });

  it('takes chunks that lie flat, and writes those anew that a power failure emptied', async (context) => {
    const path = temporaryDirectory(context);
    const all = chunksOf(['flat', 'empty']);
    const [flat, empty] = [...all.keys()] as [string, string];
    writeFileSync(join(path, flat), 'flat');
    mkdirSync(join(path, empty.slice(0, 2)));
    writeFileSync(join(path, empty.slice(0, 2), empty), '');
    assert.deepEqual(await storeIn(path).putMany?.(all), [empty]);
    assert.equal(readFileSync(join(path, empty.slice(0, 2), empty), 'utf8'), 'empty');
  });

  it('lets several write the same chunks at the same time', async (context) => {
    const path = temporaryDirectory(context);
    const all = chunksOf(Array.from({ length: 200 }, (_, i) => `chunk ${i}`));
    await Promise.all([1, 2, 3, 4].map(async () => storeIn(path).putMany?.(all)));
    const store = storeIn(path);
    assert.deepEqual(await store.missing([...all.keys()]), []);
    assert.deepEqual(readdirSync(join(path, 'tmp')), []);
  });

  it('leaves nothing half-written and no temporary file when it fails', async (context) => {
    const path = temporaryDirectory(context);
    const all = chunksOf(['one']);
    const [id] = [...all.keys()] as [string];
    // A folder of that name is in the way.
    mkdirSync(join(path, id.slice(0, 2), id), { recursive: true });
    await assert.rejects(storeIn(path).putMany?.(all) as Promise<unknown>, (error) =>
      isG8Error(error, 'ERR_IO'),
    );
    assert.deepEqual(readdirSync(join(path, 'tmp')), []);
  });

  it('ends before the next part when it is aborted', async (context) => {
    const path = temporaryDirectory(context);
    const all = chunksOf(['one']);
    const put = storeIn(path).putMany?.(all, { signal: AbortSignal.abort() });
    await assert.rejects(put as Promise<unknown>, { code: 'ERR_ABORTED' });
  });
});

describe('writeChunks()', () => {
  it('refuses names that are no ids and folders that are not there', async (context) => {
    const root = temporaryDirectory(context);
    mkdirSync(join(root, 'tmp'));
    const bytes = [Buffer.from('x')];
    const call = (folder: string, id: string) =>
      addon().writeChunks(folder, [id], bytes, { fsync: false });
    for (const id of ['', '../escape', 'A'.repeat(64), 'a'.repeat(31), `${'a'.repeat(63)}/`]) {
      await assert.rejects(call(root, id), { code: 'ERR_USAGE' });
    }
    await assert.rejects(call(join(root, 'no'), 'a'.repeat(64)), { code: 'ERR_NO_INPUT' });
    assert.throws(() => addon().writeChunks(root, [], bytes, { fsync: false }), RangeError);
    assert.deepEqual(readdirSync(root), ['tmp']);
  });
});
