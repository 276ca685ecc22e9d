/** What a mount does when things break: wrong bytes never, an error in time, no manual repair. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chunkFiles, flipBit } from '../support/chunk-files.ts';
import { differences, MountWorld, processGone, run, startProgram } from '../support/mount-world.ts';

/** Files of all sizes that matter: less than a block, several blocks, many of both. */
function makeSource(world: MountWorld): string {
  const source = world.folder('source', 'many');
  for (let i = 0; i < 120; i++) {
    writeFileSync(join(source, `file-${i}`), randomBytes(1 + ((i * 7919) % 40_000)));
  }
  for (let i = 0; i < 6; i++) {
    writeFileSync(join(source, `large-${i}`), randomBytes(1_600_000 + i * 300_000));
  }
  return world.path('source');
}

test('kill -9 of the daemon at any time is a pause: no wrong byte, no error, no repair', async (context) => {
  const world = new MountWorld(context);
  const source = makeSource(world);
  await world.startHub();
  const flist = await world.create(source);

  const mnt = await world.mount(flist);
  for (let round = 0; round < 6; round++) {
    const reader = startProgram('sh', '-c', `cat ${mnt}/many/* >/dev/null`);
    const ended = once(reader, 'exit');
    await delay(40 + round * 90);
    await world.killDaemon();
    assert.deepEqual(await ended, [0, null]);
  }
  assert.deepEqual(await differences(source, mnt), []);
  assert.equal((await world.cacheStatus())['corruptFiles'], 0);
  await world.unmount(mnt);
});

test('mount at the place of a mount whose daemon died replaces it', async (context) => {
  const world = new MountWorld(context);
  const source = makeSource(world);
  await world.startHub();
  const flist = await world.create(source);
  const mnt = await world.mount(flist);
  await world.killKeeperAndDaemon();
  assert.notEqual((await run('ls', mnt)).code, 0);

  await world.json('mount', flist, mnt, '--cache', world.cache);
  assert.equal((await run('ls', join(mnt, 'many'))).stdout.split('\n').length, 127);
  await world.unmount(mnt);
  assert.deepEqual(readdirSync(mnt), []);
});

test('umount takes away a mount whose daemon died', async (context) => {
  const world = new MountWorld(context);
  const source = makeSource(world);
  await world.startHub();
  const mnt = await world.mount(await world.create(source));
  await world.killKeeperAndDaemon();

  await world.unmount(mnt);
  assert.deepEqual(readdirSync(mnt), []);
});

test('a chunk that is corrupt on the hub is EIO and one log line, never data', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'good'), randomBytes(10_000));
  await world.startHub();
  await world.create(source, 'first');
  const before = new Set(chunkFiles(world.hubData));
  writeFileSync(join(source, 'bad'), randomBytes(20_000));
  const flist = await world.create(source, 'second');
  for (const path of chunkFiles(world.hubData)) if (!before.has(path)) flipBit(path);
  const mnt = await world.mount(flist, '--deadline', '5s');

  const read = await run('cat', join(mnt, 'bad'));
  assert.equal(read.code, 1);
  assert.equal(read.stdout, '');
  assert.match(read.stderr, /Input\/output error/);
  const lines = world
    .daemonLog()
    .split('\n')
    .filter((line) => line.includes('ERR_CHUNK_CORRUPT'));
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.equal((await run('cmp', join(mnt, 'good'), join(source, 'good'))).code, 0);
  assert.ok(((await world.cacheStatus())['corruptChunks'] ?? 0) >= 1);
  await world.unmount(mnt);
});

test('a cache file that was altered is noticed, fetched again and counted', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'file'), randomBytes(100_000));
  await world.startHub();
  const flist = await world.create(source);
  const first = await world.mount(flist);
  assert.equal((await run('cmp', join(first, 'file'), join(source, 'file'))).code, 0);
  await world.unmount(first);
  const files = join(world.cache, 'files');
  const [cached] = readdirSync(files, { recursive: true, encoding: 'utf8' })
    .map((name) => join(files, name))
    .filter((path) => statSync(path).isFile());
  assert.ok(cached !== undefined);
  chmodSync(cached, 0o644);
  flipBit(cached);

  const second = await world.mount(flist);
  assert.equal((await run('cmp', join(second, 'file'), join(source, 'file'))).code, 0);
  const status = await world.cacheStatus();
  assert.equal(status['corruptFiles'], 1);
  assert.equal(status['fetchedChunks'], 1);
  await world.unmount(second);
});

test('with the hub gone cached files read on and others are EIO at the deadline', async (context) => {
  const world = new MountWorld(context);
  const source = makeSource(world);
  await world.startHub();
  const mnt = await world.mount(await world.create(source), '--deadline', '2s');
  assert.equal((await run('cat', join(mnt, 'many/file-1'))).code, 0);
  await world.stopHub();

  const local = await run('cmp', join(mnt, 'many/file-1'), join(source, 'many/file-1'));
  assert.equal(local.code, 0);
  const start = performance.now();
  const missing = await run('cat', join(mnt, 'many/file-2'));
  const elapsed = performance.now() - start;
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /Input\/output error/);
  assert.ok(elapsed < 4000, `took ${elapsed} ms`);
  await world.unmount(mnt);
});

test('a reader that waits for a hub that hangs can be killed, and the mount unmounted', async (context) => {
  const world = new MountWorld(context);
  const source = makeSource(world);
  await world.startHub();
  const flist = await world.create(source);
  // Accepts and never answers.
  const { createServer } = await import('node:net');
  const silent = createServer(() => {});
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  context.after(() => silent.close());
  const { port } = silent.address() as { port: number };
  rmSync(world.hubData, { recursive: true });
  await world.stopHub();
  const mnt = world.folder('mnt-silent');
  const url = `http://127.0.0.1:${port}`;
  await world.json(
    'mount',
    flist,
    mnt,
    '--cache',
    world.cache,
    '--deadline',
    '60s',
    '--store',
    url,
  );

  for (const name of ['many/file-3', 'many/large-1']) {
    const reader = startProgram('cat', join(mnt, name));
    const exited = once(reader, 'exit');
    await delay(300);
    reader.kill('SIGKILL');
    const result = await Promise.race([exited, delay(5000, 'hangs')]);
    assert.notEqual(result, 'hangs', name);
  }
  const pid = world.daemonPid();
  await world.unmount(mnt, '--lazy');
  await processGone(pid);
  assert.deepEqual(readdirSync(mnt), []);
});

test('umount does not wait for a copy of the mount in a mount namespace of others', async (context) => {
  const world = new MountWorld(context);
  writeFileSync(join(world.folder('source'), 'file'), 'text');
  await world.startHub();
  const mnt = await world.mount(await world.create(world.path('source')));
  const holder = spawn('unshare', [
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    'echo; read x; cat "$0"',
    join(mnt, 'file'),
  ]);
  context.after(() => holder.kill());
  await once(holder.stdout, 'data');

  assert.equal((await world.cli('umount', mnt)).code, 0);
  assert.deepEqual(await world.json('ps'), []);
  // Who holds it reads on.
  holder.stdin.end('\n');
  const [text] = await once(holder.stdout, 'data');
  assert.equal(String(text), 'text');
  await once(holder, 'close');
});
