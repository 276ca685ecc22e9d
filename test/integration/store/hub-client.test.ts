/** The hub client against a real hub. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { createHub } from '../../../src/hub/server.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import type { UploadResult } from '../../../src/store/upload-chunks.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { flistOf, tarOf } from '../../support/flist-package.ts';
import { bodyOf, startServer } from '../../support/http-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const NAME = { repository: 'bob', name: 'app' };
const QUICK = { attemptCount: 3, delayMsMin: 1, delayMsMax: 2, totalMs: 10_000 };

const isError = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);

async function start(t: TestContext, options: Partial<HubOptions> = {}) {
  const folder = temporaryDirectory(t);
  const hub = await createHub({
    dataDir: join(folder, 'data'),
    logger: false,
    fsync: false,
    ...options,
  });
  const client = new HubClient(hub.url, { retry: QUICK });
  t.after(async () => {
    await client.close();
    await hub.close();
  });
  return { client, folder };
}

function clientOf(t: TestContext, url: string): HubClient {
  const client = new HubClient(url, { retry: QUICK });
  t.after(() => client.close());
  return client;
}

test('a flist goes up and comes down the same, with progress', async (t) => {
  const { client, folder } = await start(t);
  const source = join(folder, 'source.flist');
  const destination = join(folder, 'copy.flist');
  const bytes = tarOf(Buffer.alloc(1_000_000, 'x'));
  await writeFile(source, bytes);

  const sent: number[] = [];
  const receipt = await client.uploadFlist(
    { ...NAME, source },
    { onProgress: (done) => sent.push(done) },
  );
  assert.equal(receipt.digest, toHex(blake2b(bytes, 32)));
  assert.equal(sent.at(-1), bytes.length);

  const received: (number | undefined)[][] = [];
  const result = await client.downloadFlist(NAME, {
    destination,
    onProgress: (...progress) => received.push(progress),
  });
  assert.deepEqual(result, {
    unchanged: false,
    size: bytes.length,
    etag: `"${receipt.md5}"`,
  });
  assert(bytes.equals(await readFile(destination)));
  assert.deepEqual(received.at(-1), [bytes.length, bytes.length]);
  assert(received.length > 1);
});

test('downloadFlist() does not fetch an unchanged flist again', async (t) => {
  const { client, folder } = await start(t);
  const source = join(folder, 'source.flist');
  const destination = join(folder, 'copy.flist');
  await writeFile(source, flistOf('hello'));
  const { md5 } = await client.uploadFlist({ ...NAME, source });
  const result = await client.downloadFlist(NAME, { destination, etag: `"${md5}"` });
  assert.deepEqual(result, { unchanged: true });
  assert.deepEqual(await readdir(folder), ['data', 'source.flist']);
});

test('downloadFlist() of what the hub does not have', async (t) => {
  const { client, folder } = await start(t);
  const download = client.downloadFlist(NAME, { destination: join(folder, 'copy') });
  await assert.rejects(download, isError('ERR_NO_INPUT'));
});

test('downloadFlist() refuses a flist above its limit and leaves nothing', async (t) => {
  const { client, folder } = await start(t);
  const source = join(folder, 'source.flist');
  await writeFile(source, flistOf('hello'));
  await client.uploadFlist({ ...NAME, source });
  const download = client.downloadFlist(NAME, { destination: join(folder, 'copy'), sizeMax: 10 });
  await assert.rejects(download, isError('ERR_PROTOCOL'));
  assert.deepEqual(await readdir(folder), ['data', 'source.flist']);
});

test('downloadFlist() notices bytes that differ from the stated digest', async (t) => {
  const folder = temporaryDirectory(t);
  const { url } = await startServer(t, (_request, response) => {
    response.writeHead(200, { 'repr-digest': 'sha-256=:x:, md5=:AAAAAAAAAAAAAAAAAAAAAA==:' });
    response.end('flist');
  });
  const download = clientOf(t, url).downloadFlist(NAME, { destination: join(folder, 'copy') });
  await assert.rejects(download, isError('ERR_PROTOCOL'));
  assert.deepEqual(await readdir(folder), []);
});

test('downloadFlist() begins again when the connection breaks', async (t) => {
  const folder = temporaryDirectory(t);
  let calls = 0;
  const { url } = await startServer(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '10' });
    if (++calls === 1) response.write('01234', () => response.socket?.resetAndDestroy());
    else response.end('0123456789');
  });
  const destination = join(folder, 'copy');
  await clientOf(t, url).downloadFlist(NAME, { destination });
  assert.equal(await readFile(destination, 'utf8'), '0123456789');
  assert.deepEqual(await readdir(folder), ['copy']);
});

test('downloadFlist() into a folder that is not there is ERR_CREATE or ERR_NO_INPUT', async (t) => {
  const { client, folder } = await start(t);
  const source = join(folder, 'source.flist');
  await writeFile(source, flistOf('hello'));
  await client.uploadFlist({ ...NAME, source });
  const download = client.downloadFlist(NAME, { destination: join(folder, 'no/such/copy') });
  await assert.rejects(download, (error) => isG8Error(error) && /Cannot write/.test(error.message));
});

test('uploadFlist() of no flist is ERR_FLIST_FORMAT', async (t) => {
  const { client, folder } = await start(t);
  const source = join(folder, 'source');
  await writeFile(source, 'text');
  await assert.rejects(client.uploadFlist({ ...NAME, source }), isError('ERR_FLIST_FORMAT'));
});

test('uploadFlist() of an absent file is ERR_NO_INPUT', async (t) => {
  const { client, folder } = await start(t);
  const upload = client.uploadFlist({ ...NAME, source: join(folder, 'absent') });
  await assert.rejects(upload, isError('ERR_NO_INPUT'));
});

test('uploadFlist() of a folder says what to do instead', async (t) => {
  const { client, folder } = await start(t);
  await assert.rejects(client.uploadFlist({ ...NAME, source: folder }), (error: Error) => {
    assert.match(error.message, /is a folder; make a flist of it first \(flist create\)$/);
    return isG8Error(error, 'ERR_NO_INPUT');
  });
});

test('uploadFlist() is sent again when the hub is busy', async (t) => {
  const folder = temporaryDirectory(t);
  const source = join(folder, 'source.flist');
  await writeFile(source, flistOf('hello'));
  const bodies: number[] = [];
  const { url } = await startServer(t, async (request, response) => {
    bodies.push((await bodyOf(request)).length);
    if (bodies.length === 1) return response.writeHead(503).end();
    const receipt = { ...NAME, size: 1, md5: '0'.repeat(32), digest: '0'.repeat(64) };
    return response.end(JSON.stringify(receipt));
  });
  await clientOf(t, url).uploadFlist({ ...NAME, source });
  assert.equal(bodies.length, 2);
  assert.equal(bodies[0], bodies[1]);
});

test('listFlists() gives what was uploaded, deleteFlist() removes it', async (t) => {
  const { client, folder } = await start(t);
  const source = join(folder, 'source.flist');
  await writeFile(source, flistOf('hello'));
  for (const name of ['b', 'a']) await client.uploadFlist({ repository: 'bob', name, source });
  const names = async () => {
    const found: string[] = [];
    for await (const { repository, name } of client.listFlists())
      found.push(`${repository}/${name}`);
    return found;
  };
  assert.deepEqual(await names(), ['bob/a.flist', 'bob/b.flist']);
  await client.deleteFlist({ repository: 'bob', name: 'a.flist' });
  assert.deepEqual(await names(), ['bob/b.flist']);
  await assert.rejects(
    client.deleteFlist({ repository: 'bob', name: 'a' }),
    isError('ERR_NO_INPUT'),
  );
});

async function collectUploads(results: AsyncIterable<UploadResult>): Promise<Map<string, string>> {
  const outcomes = new Map<string, string>();
  for await (const result of results) {
    const code = 'error' in result && isG8Error(result.error) ? result.error.code : 'unknown';
    outcomes.set(result.id, 'outcome' in result ? result.outcome : code);
  }
  return outcomes;
}

test('uploadChunks() tells new, known and refused chunks apart', async (t) => {
  const { client } = await start(t);
  const chunks = Array.from({ length: 600 }, (_, i) => chunkOf(`chunk ${i}`, i % 2 ? 16 : 32));
  const [known, wrong] = chunks as [(typeof chunks)[0], (typeof chunks)[0]];
  await client.chunks.put(known.id, known.bytes);
  wrong.bytes = new Uint8Array([1]);
  async function* source() {
    yield* chunks;
  }
  const outcomes = await collectUploads(client.uploadChunks(source()));
  assert.equal(outcomes.size, 600);
  assert.equal(outcomes.get(known.id), 'known');
  assert.equal(outcomes.get(wrong.id), 'ERR_CHUNK_CORRUPT');
  assert.equal([...outcomes.values()].filter((outcome) => outcome === 'new').length, 598);
  assert.deepEqual(await client.chunks.missing(chunks.map(({ id }) => id)), [wrong.id]);
});

test('uploadChunks() reads its source no further than its batches', async (t) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const digest = async (data: Uint8Array, length: number) => {
    await released;
    return blake2b(data, length);
  };
  const { client } = await start(t, { digest });
  const chunk = chunkOf('x'.repeat(4 * 1024 * 1024));
  let read = 0;
  function* source() {
    for (; read < 40; read++) yield chunk;
  }
  const uploaded = collectUploads(client.uploadChunks(source()));
  // Five batches of four: one for each connection and the one that is packed next.
  while (read < 15) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
  assert(read <= 20, `${read} chunks were read`);
  release();
  assert.deepEqual([...(await uploaded).keys()], [chunk.id]);
  assert.equal(read, 40);
});

test('uploadChunks() makes a failing batch errors of its chunks', async (t) => {
  const { url } = await startServer(t, (_request, response) => response.writeHead(403).end());
  const chunk = chunkOf('chunk');
  const outcomes = await collectUploads(clientOf(t, url).uploadChunks([chunk]));
  assert.equal(outcomes.get(chunk.id), 'ERR_PERMISSION');
});

test('uploadChunks() ends when its caller aborts', async (t) => {
  const controller = new AbortController();
  const { url } = await startServer(t, () => controller.abort());
  const { signal } = controller;
  const uploaded = collectUploads(clientOf(t, url).uploadChunks([chunkOf('chunk')], { signal }));
  await assert.rejects(uploaded, isError('ERR_ABORTED'));
});

test('info() and isReady() of a hub and of another server', async (t) => {
  const { client } = await start(t);
  assert.equal((await client.info()).hub, 'g8ufs');
  assert.equal(await client.isReady(), true);
  const other = await startServer(t, (request, response) => {
    response.writeHead(request.url === '/ready' ? 503 : 404).end();
  });
  const stranger = clientOf(t, other.url);
  await assert.rejects(stranger.info(), isError('ERR_PROTOCOL'));
  assert.equal(await stranger.isReady(), false);
});
