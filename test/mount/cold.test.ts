/** Many small files that are read for the first time: few requests, and failures that stay where they belong. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { chunkFiles, flipBit } from '../support/chunk-files.ts';
import { startCountingProxy } from '../support/counting-proxy.ts';
import { differences, MountWorld, run, startProgram } from '../support/mount-world.ts';

const FILES = 400;
const IN_ORDER = 'find "$1" -type f -print0 | sort -z | xargs -0 cat';

/** Folders of small files, none like another. */
function makeSource(world: MountWorld, files = FILES): string {
  const source = world.folder('source');
  for (let i = 0; i < files; i++) {
    const folder = join(source, `d${String(Math.floor(i / 50)).padStart(3, '0')}`);
    if (i % 50 === 0) mkdirSync(folder);
    writeFileSync(join(folder, `f${String(i).padStart(4, '0')}`), randomBytes(100 + i * 7));
  }
  return source;
}

/** A server on loopback that ends with the test. */
async function serve(
  t: TestContext,
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Passes a request on; `limit` says after how many bytes of the answer nothing more comes. */
function forward(
  hubUrl: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  limit = Number.POSITIVE_INFINITY,
): void {
  const { hostname, port } = new URL(hubUrl);
  const { method, url: path = '/', headers } = incoming;
  const forwarded = request({ hostname, port, method, path, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    let sent = 0;
    answer.on('data', (piece: Buffer) => {
      if (sent < limit) outgoing.write(piece.subarray(0, limit - sent));
      sent += piece.length;
    });
    answer.on('end', () => {
      if (sent <= limit) outgoing.end();
    });
  });
  forwarded.on('error', () => outgoing.destroy());
  outgoing.on('close', () => forwarded.destroy());
  incoming.pipe(forwarded);
}

test('a reader that goes through the tree needs few requests', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world);
  const proxy = await startCountingProxy(t, await world.startHub());
  // A flist names the store that it was made with.
  world.hubUrl = proxy.url;
  const mnt = await world.mount(await world.create(source));
  proxy.take();
  const { code } = await run('sh', '-c', `${IN_ORDER} > /dev/null`, 'sh', mnt);
  assert.equal(code, 0);
  const { requests } = proxy.take();
  assert.ok(requests > 0 && requests < FILES / 4, `${requests} requests for ${FILES} files`);
  assert.deepEqual(await differences(source, mnt), []);
  assert.equal((await world.cacheStatus())['files'], FILES);
  await world.unmount(mnt);
});

test('sixteen readers at a time see what one would', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world);
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--store', world.hubUrl);
  const script = 'find "$1" -type f -print0 | xargs -0 -P 16 -n 5 cat > /dev/null';
  assert.equal((await run('sh', '-c', script, 'sh', mnt)).code, 0);
  assert.deepEqual(await differences(source, mnt), []);
  await world.unmount(mnt);
});

test('a damaged chunk among those fetched ahead fails its own readers only', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world, 199);
  await world.startHub();
  await world.create(source, 'first');
  const before = new Set(chunkFiles(world.hubData));
  const bad = join(source, 'd002/f0120');
  writeFileSync(bad, randomBytes(5000));
  const flist = await world.create(source);
  for (const path of chunkFiles(world.hubData)) if (!before.has(path)) flipBit(path);
  const mnt = await world.mount(flist, '--store', world.hubUrl, '--deadline', '5s');
  const result = await run('sh', '-c', `${IN_ORDER} > /dev/null`, 'sh', mnt);
  assert.match(result.stderr, /^cat: [^\n]*f0120: Input\/output error\n$/);
  assert.equal((await world.cacheStatus())['files'], 198);
  await world.unmount(mnt);
});

test('a hub that hangs in the middle of a batch is an error in time, and no end', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world, 30);
  const hub = await world.startHub();
  let hangs = true;
  world.hubUrl = await serve(t, (incoming, outgoing) => {
    const isBatch = incoming.url?.endsWith('/chunks/batch') === true;
    forward(hub, incoming, outgoing, isBatch && hangs ? 500 : undefined);
  });
  const mnt = await world.mount(await world.create(source), '--deadline', '1s');
  const failed = await run('sh', '-c', `${IN_ORDER} > /dev/null`, 'sh', mnt);
  assert.match(failed.stderr, /Input\/output error/);
  hangs = false;
  assert.deepEqual(await differences(source, mnt), []);
  await world.unmount(mnt);
});

test('a server of static files serves the same, one request for each chunk', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world, 100);
  await world.startHub();
  const flist = await world.create(source);
  const paths = new Map(chunkFiles(world.hubData).map((path) => [path.slice(-64), path]));
  const url = await serve(t, (incoming, outgoing) => {
    const path = paths.get(incoming.url?.slice(-64) ?? '');
    if (path === undefined) return void outgoing.writeHead(404).end();
    outgoing.writeHead(200, { 'content-length': statSync(path).size });
    createReadStream(path).pipe(outgoing);
  });
  await world.stopHub();
  const mnt = await world.mount(flist, '--store', url);
  assert.deepEqual(await differences(source, mnt), []);
  await world.unmount(mnt);
});

test('a reader that is killed leaves a mount that serves the next one', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world);
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--store', world.hubUrl);
  for (let i = 0; i < 3; i++) {
    const reader = startProgram('sh', '-c', `exec cat ${mnt}/*/* > /dev/null`);
    const status = async () => (await world.cacheStatus())['files'] as number;
    const seen = await status();
    while ((await status()) < Math.min(FILES, seen + 20)) assert.ok(reader.pid !== undefined);
    const exited = reader.exitCode === null ? once(reader, 'exit') : undefined;
    reader.kill('SIGKILL');
    await exited;
  }
  while (((await world.cacheStatus())['loading'] as number) > 0);
  assert.deepEqual(await differences(source, mnt), []);
  await world.unmount(mnt);
});

test('a cache that is full in the middle of the readahead goes on serving', async (t) => {
  const world = new MountWorld(t);
  const source = makeSource(world);
  await world.startHub();
  const flist = await world.create(source);
  const mnt = await world.mount(flist, '--store', world.hubUrl, '--cache-size', '256K');
  const hold = startProgram('sh', '-c', `exec 3< ${mnt}/d000/f0001; exec sleep 100`);
  assert.equal((await run('sh', '-c', `${IN_ORDER} > /dev/null`, 'sh', mnt)).code, 0);
  assert.deepEqual(await differences(source, mnt), []);
  assert.ok(((await world.cacheStatus())['evictedFiles'] as number) > 0);
  const exited = once(hold, 'exit');
  hold.kill('SIGKILL');
  await exited;
  const file = 'd000/f0001';
  const copy = world.path('copy');
  assert.equal((await run('cp', join(mnt, file), copy)).code, 0);
  assert.ok(readFileSync(copy).equals(readFileSync(join(source, file))));
  await world.unmount(mnt);
});
