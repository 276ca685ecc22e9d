import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { blake2b, blake2bReady } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import { extractFlist, writeBundle } from '../../../src/image/bundle.ts';
import { BundleFile, BundleStore, bundleUrl } from '../../../src/store/bundle.ts';
import { chunkMatches } from '../../../src/store/chunk-id.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { openRoutedStore } from '../../../src/store/open.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { amount } from '../../support/thorough.ts';

await blake2bReady();

async function smallBundle(context: TestContext) {
  const dir = temporaryDirectory(context);
  const flist = join(dir, 'flist');
  writeFileSync(flist, 'stands for a flist');
  const store = new MemoryStore();
  const chunks: string[] = [];
  for (const text of ['one', 'two', 'three']) {
    for (const length of [16, 32] as const) {
      const bytes = Buffer.from(text);
      const id = toHex(blake2b(bytes, length));
      chunks.push(id);
      await store.put(id, bytes);
    }
  }
  const path = join(dir, 'some thing?.bundle');
  const info = { rootDigest: '', chunks: chunks.length, absentChunks: 0, bases: [] };
  await writeBundle(path, { flist, signature: 'signature', chunks, info, store });
  return { dir, path, chunks };
}

test('BundleStore gives the chunks that were put in, and says what it lacks', async (context) => {
  const { path, chunks } = await smallBundle(context);
  const store = new BundleStore(path);
  for (const id of chunks) assert.ok(await chunkMatches(id, await store.get(id)));
  const absent = 'ab'.repeat(32);
  assert.deepEqual(await store.missing([...chunks, absent]), [absent]);
  await assert.rejects(store.get(absent), (error) => isG8Error(error, 'ERR_CHUNK_MISSING'));
  let count = 0;
  for await (const result of store.getMany([...chunks, absent])) if ('bytes' in result) count++;
  assert.equal(count, chunks.length);
  await store.close();
  await assert.rejects(store.get(absent), (error) => isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
});

test('bundleUrl() names a path with blanks and marks', async (context) => {
  const { path, chunks } = await smallBundle(context);
  const store = openRoutedStore({ urls: [bundleUrl(path)] });
  assert.equal((await store.get(chunks[0] as string)).length, 3);
  await store.close();
});

test('BundleStore is unavailable, not empty, when its file is gone', async (context) => {
  const store = new BundleStore(join(temporaryDirectory(context), 'none.bundle'));
  const unavailable = (error: unknown) => isG8Error(error, 'ERR_STORE_UNAVAILABLE');
  await assert.rejects(store.get('ab'.repeat(16)), unavailable);
  await assert.rejects(store.missing(['ab'.repeat(16)]), unavailable);
  await store.close();
});

test('a changed bundle gives errors or what was put in, whichever byte it is', async (context) => {
  const { dir, path, chunks } = await smallBundle(context);
  const sound = readFileSync(path);
  const changed = join(dir, 'changed.bundle');
  const expected = 'stands for a flist';
  let [tried, refused] = [0, 0];
  for (let at = 0; at < sound.length; at += at < 4096 ? amount(23, 1) : 97) {
    tried++;
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] as number) ^ 0x41;
    writeFileSync(changed, bytes);
    try {
      const bundle = await BundleFile.open(changed);
      try {
        for (const id of chunks) {
          const entry = await bundle.find(id);
          const chunk = entry && (await bundle.read(entry.offset, entry.size));
          // What does not match its id no reader takes; what is not found is asked for elsewhere.
          if (chunk === undefined || !(await chunkMatches(id, chunk))) refused++;
        }
        const output = join(dir, 'extracted');
        await extractFlist(bundle, output);
        assert.equal(readFileSync(output, 'utf8'), expected);
      } finally {
        await bundle.close();
      }
    } catch (error) {
      assert.ok(isG8Error(error), `byte ${at}: ${String(error)}`);
      assert.match(error.code, /^ERR_(FLIST_FORMAT|FLIST_VERSION|IO)$/);
      refused++;
    }
  }
  assert.ok(refused > tried / 16, `${refused} of ${tried} were noticed`);
});
