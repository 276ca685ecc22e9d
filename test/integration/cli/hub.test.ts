/** A hub, an image built and published to it, and looked at from there. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli, startCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const SAMPLE = fileURLToPath(new URL('../../../../../flists/sample.yaml', import.meta.url));

async function startHub(context: TestContext): Promise<{ url: string; hub: ChildProcess }> {
  const data = temporaryDirectory(context);
  const hub = startCli(['hub', 'serve', '--data', data, '--listen', '127.0.0.1:0']);
  context.after(async () => {
    if (hub.exitCode !== null) return;
    hub.kill('SIGTERM');
    await once(hub, 'close');
  });
  const [line] = (await once(hub.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const url = line.toString().trim();
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  return { url, hub };
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`hub serve stops in good order on ${signal}`, async (t) => {
    const { hub } = await startHub(t);
    let stderr = '';
    hub.stderr?.on('data', (data) => {
      stderr += data;
    });
    hub.kill(signal);
    const [code] = await once(hub, 'close');
    assert.equal(code, exitCode);
    // Nothing but what a first start has to say.
    assert.match(
      stderr,
      /^First start: the token of the administrator is g8_\S+ \(kept in \S+\)\n$/,
    );
  });
}

test('a second signal ends the program at once', async (t) => {
  const { url, hub } = await startHub(t);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  t.after(() => socket.destroy());
  // An upload that never goes on: the hub would wait ten seconds for it.
  const head = `PUT /api/v1/chunks/${'ab'.repeat(32)} HTTP/1.1\r\nHost: hub\r\n`;
  socket.write(`${head}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n`);
  await once(socket, 'data');
  hub.kill('SIGINT');
  await refused(url);
  const started = performance.now();
  hub.kill('SIGTERM');
  const [code] = await once(hub, 'close');
  assert.equal(code, 143);
  assert.ok(performance.now() - started < 5000);
});

/** Waits until nobody listens any more: the first signal has been heard. */
async function refused(url: string): Promise<void> {
  for (;;) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (!isOpen) return;
  }
}

test('hub serve says when its port is taken', async (t) => {
  const { url } = await startHub(t);
  const listen = url.slice('http://'.length);
  const { code, stderr } = await runCli([
    'hub',
    'serve',
    '--data',
    temporaryDirectory(t),
    '--listen',
    listen,
  ]);
  assert.equal(code, 74);
  assert.match(stderr, /\(ERR_IO\)\n$/);
});

test('an image goes to a hub and is read from there', async (t) => {
  const { url } = await startHub(t);
  const work = temporaryDirectory(t);
  mkdirSync(join(work, 'source'));
  writeFileSync(join(work, 'source/file'), 'from the hub\n');
  const flist = join(work, 'image.flist');
  const args = ['flist', 'create', join(work, 'source'), flist, '--store', url];
  const created = JSON.parse((await runCli([...args, '--publish', 'demo/first', '--json'])).stdout);
  assert.equal(created.url, `${url}/demo/first.flist`);
  const read = await runCli(['flist', 'cat', created.url, '/file']);
  assert.deepEqual([read.code, read.stdout], [0, 'from the hub\n']);
  const pushed = await runCli(['push', flist, `${url}/demo/second`]);
  assert.deepEqual([pushed.code, pushed.stdout], [0, `${url}/demo/second.flist\n`]);
  const info = JSON.parse(
    (await runCli(['flist', 'info', '--json', `${url}/demo/second.flist`])).stdout,
  );
  assert.deepEqual([info.rootDigest, info.stores], [created.rootDigest, [url]]);
  const reserved = await runCli(['push', flist, `${url}/admin/first`]);
  assert.equal(reserved.code, 64);
  assert.match(
    reserved.stderr,
    /No repository can be named admin: paths of the hub begin with that/,
  );
});

test('push says when nobody would find the chunks', async (t) => {
  const { url } = await startHub(t);
  const work = temporaryDirectory(t);
  mkdirSync(join(work, 'source'));
  writeFileSync(join(work, 'source/file'), 'only here\n');
  const flist = join(work, 'image.flist');
  const store = ['--store', join(work, 'chunks')];
  assert.equal((await runCli(['flist', 'create', join(work, 'source'), flist, ...store])).code, 0);
  const alone = await runCli(['push', flist, `${url}/demo/image`]);
  const warning = `g8ufs: The hub lacks 1 chunk of ${flist}, which names no store: push it again with --store\n`;
  assert.deepEqual([alone.code, alone.stderr], [0, warning]);
  const brought = await runCli(['push', flist, `${url}/demo/image`, ...store]);
  assert.deepEqual([brought.code, brought.stderr], [0, '']);
  const again = await runCli(['push', flist, `${url}/demo/image`, '--json']);
  assert.equal(JSON.parse(again.stdout).missingChunks, 0);
});

test('push refuses what is no flist', async (t) => {
  const { url } = await startHub(t);
  const path = join(temporaryDirectory(t), 'text');
  writeFileSync(path, 'no flist');
  assert.equal((await runCli(['push', path, `${url}/demo/text`])).code, 65);
});

test('flist cat ends with 69 when the store does not answer', async (t) => {
  const { url, hub } = await startHub(t);
  const work = temporaryDirectory(t);
  writeFileSync(join(work, 'file'), 'content');
  const flist = join(work, 'image.flist');
  assert.equal((await runCli(['flist', 'create', work, flist, '--store', url])).code, 0);
  hub.kill('SIGTERM');
  await once(hub, 'close');
  assert.equal((await runCli(['flist', 'cat', flist, '/file'])).code, 69);
});

test('flist build makes the sample image, the same one twice', async (t) => {
  const work = temporaryDirectory(t);
  const build = async (name: string) => {
    const args = ['flist', 'build', SAMPLE, join(work, name), '-s', join(work, 'store'), '--json'];
    const { code, stdout, stderr } = await runCli(args);
    assert.deepEqual([code, stderr], [0, '']);
    return JSON.parse(stdout);
  };
  const first = await build('first.flist');
  const second = await build('second.flist');
  assert.equal(second.rootDigest, first.rootDigest);
  assert.equal(second.newChunks, 0);
  const { stdout } = await runCli([
    'flist',
    'cat',
    join(work, 'first.flist'),
    '/etc/hostname',
    '-s',
    join(work, 'store'),
  ]);
  assert.equal(stdout, 'sample\n');
});
