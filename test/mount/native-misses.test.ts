/** Reads of absent blocks through a real mount: how they are asked for, and each way they end. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addon } from '../../src/native/load.ts';
import { directory } from '../support/index-trees.ts';
import { BLOCK_SIZE, bytesOf, fileOf, MountedImage } from '../support/mounted-image.ts';

const skip =
  existsSync('/dev/fuse') && process.getuid?.() === 0 ? false : 'needs root and /dev/fuse';
const options = { skip, timeout: 60_000 };

/** Starts a reader and does not wait for it. */
function reader(image: MountedImage, name: string): ChildProcess & { output: () => Buffer } {
  const child = spawn('cat', [join(image.mountPoint, name)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const parts: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => parts.push(data));
  return Object.assign(child, { output: () => Buffer.concat(parts) });
}

const unanswered = () => {};

test('blocks are asked for once however many wait', options, async (context) => {
  const bytes = bytesOf(40 * BLOCK_SIZE, 11);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    onNeed: unanswered,
  });
  const readers = Array.from({ length: 8 }, () => reader(image, 'a'));
  await image.needsCame(1);
  image.attach(0);
  const asked = new Set<number>();
  let seen = 0;
  while (asked.size < 40) {
    await image.needsCame(seen + 1);
    for (const { block, count } of image.needs.slice(seen)) {
      for (let i = block; i < block + count; i++) {
        assert.equal(asked.has(i), false, `block ${i} was asked for twice`);
        asked.add(i);
      }
    }
    const last = image.needs.slice(seen);
    seen += last.length;
    for (const need of last) image.fill(need.content, need.block, need.count);
  }
  await Promise.all(readers.map((child) => once(child, 'close')));
  for (const child of readers) assert.equal(child.output().equals(bytes), true);
});

test('a small file is complete when its open is answered', options, async (context) => {
  const bytes = bytesOf(1000, 12);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    onNeed: unanswered,
  });
  const child = reader(image, 'a');
  await image.needsCame(1);
  assert.equal(image.stats().waiting, 1);
  image.complete(0);
  await once(child, 'close');
  assert.equal(child.output().equals(bytes), true);
  const stats = image.stats();
  assert.equal(stats.passthroughOpens, 1);
  assert.equal(stats.requests['read'], undefined);
});

test('a partial file goes on being read when it becomes complete', options, async (context) => {
  const bytes = bytesOf(64 * BLOCK_SIZE, 13);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    onNeed: unanswered,
    readaheadBytes: BLOCK_SIZE,
  });
  const child = reader(image, 'a');
  await image.needsCame(1);
  const need = image.needs[0];
  assert.notEqual(need, undefined);
  image.fill(0, need?.block ?? 0, need?.count ?? 0);
  await image.needsCame(2);
  image.complete(0);
  await once(child, 'close');
  assert.equal(child.output().equals(bytes), true);
  await image.shell('cat $M/a > /dev/null');
  assert.equal(image.stats().passthroughOpens, 1);
});

test('a failed block is EIO and nothing else', options, async (context) => {
  const bytes = bytesOf(3 * BLOCK_SIZE, 14);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    onNeed: (need, mounted) => mounted.fail(need, 'EIO'),
  });
  assert.match((await image.shell('cat $M/a')).stderr, /Input\/output error/);
  // The failure is not remembered: the next reader asks again.
  const before = image.needs.length;
  assert.match((await image.shell('cat $M/a')).stderr, /Input\/output error/);
  assert.equal(image.needs.length > before, true);
  assert.equal((await image.shell('ls $M')).stdout, 'a\n');
});

test('a failure keeps its errno when a file is opened', options, async (context) => {
  const image = await MountedImage.open(context, directory({ a: fileOf(bytesOf(9, 15)) }), {
    onNeed: (need, mounted) => mounted.fail(need, 'ENOSPC'),
  });
  assert.match((await image.shell('cat $M/a')).stderr, /No space left on device/);
});

test('a lost block is EIO at once', options, async (context) => {
  const bytes = bytesOf(2 * BLOCK_SIZE, 16);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes, { lost: [0] }) }), {
    onNeed: unanswered,
  });
  assert.match((await image.shell('head -c 10 $M/a')).stderr, /Input\/output error/);
});

test('nobody waits longer than the deadline', options, async (context) => {
  const image = await MountedImage.open(
    context,
    directory({ big: fileOf(bytesOf(9 * BLOCK_SIZE, 17)), small: fileOf(bytesOf(9, 18)) }),
    { onNeed: unanswered, deadlineMs: 200 },
  );
  for (const name of ['big', 'small']) {
    const start = performance.now();
    assert.match((await image.shell(`cat $M/${name}`)).stderr, /Input\/output error/);
    assert.equal(performance.now() - start >= 190, true);
  }
  assert.equal(image.stats().deadlinesMissed >= 2, true);
  assert.equal(image.stats().waiting, 0);
});

test('a waiting reader can be killed', options, async (context) => {
  const image = await MountedImage.open(
    context,
    directory({ big: fileOf(bytesOf(9 * BLOCK_SIZE, 19)), small: fileOf(bytesOf(9, 20)) }),
    { onNeed: unanswered, deadlineMs: 600_000 },
  );
  for (const [i, name] of ['big', 'small'].entries()) {
    const child = reader(image, name);
    await image.needsCame(i + 1);
    child.kill('SIGKILL');
    const [, signal] = await once(child, 'close');
    assert.equal(signal, 'SIGKILL');
  }
  // The open was interrupted; the page that was read is still wanted by the kernel.
  assert.equal(image.stats().interrupts, 1);
  assert.equal(image.stats().waiting, 1);
});

test('readers of many files are served at the same time', options, async (context) => {
  const names = Array.from({ length: 50 }, (_, i) => `f${i}`);
  const files = names.map((_, i) => bytesOf(5 * BLOCK_SIZE + i, 100 + i));
  const image = await MountedImage.open(
    context,
    directory(Object.fromEntries(names.map((name, i) => [name, fileOf(files[i] as Uint8Array)]))),
    { onNeed: unanswered },
  );
  const readers = names.map((name) => reader(image, name));
  await image.needsCame(50);
  assert.equal(image.stats().waiting >= 50, true);
  for (const need of image.needs.reverse()) image.answer(need);
  await Promise.all(readers.map((child) => once(child, 'close')));
  for (const [i, child] of readers.entries()) {
    assert.equal(child.output().equals(files[i] as Uint8Array), true);
  }
});

test('contentDrop() forgets what nobody uses', options, async (context) => {
  const bytes = bytesOf(9 * BLOCK_SIZE, 21);
  const image = await MountedImage.open(context, directory({ a: fileOf(bytes) }), {
    onNeed: unanswered,
  });
  const child = reader(image, 'a');
  await image.needsCame(1);
  image.attach(0);
  assert.equal(addon().contentDrop(image.digest(0)), false);
  image.fill(0, 0, 9);
  await once(child, 'close');
  // RELEASE comes some time after close(2); STATFS behind it says that it has been served.
  // The last to let go is whoever has served it.
  while (image.stats().openFiles > 0 || !addon().contentDrop(image.digest(0))) {
    await image.shell('stat -f $M');
  }
  const seen = image.needs.length;
  image.complete(0);
  await image.shell('echo 3 > /proc/sys/vm/drop_caches; cat $M/a');
  assert.equal(image.needs.length, seen);
});

test('contentTouched() names what was opened', options, async (context) => {
  const image = await MountedImage.open(
    context,
    directory({ a: fileOf(bytesOf(9, 22)), b: fileOf(bytesOf(9, 23)) }),
  );
  addon().contentTouched();
  await image.shell('cat $M/a $M/a $M/b');
  assert.equal(addon().contentTouched().length, 64);
  assert.equal(addon().contentTouched().length, 0);
});
