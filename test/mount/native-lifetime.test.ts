/** How mounts of the native driver begin and end, and what is left behind: nothing. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { addon } from '../../src/native/load.ts';
import { directory } from '../support/index-trees.ts';
import { BLOCK_SIZE, bytesOf, fileOf, MountedImage, runProgram } from '../support/mounted-image.ts';
import { sanitizerEnv } from '../support/sanitizer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skip =
  existsSync('/dev/fuse') && process.getuid?.() === 0 ? false : 'needs root and /dev/fuse';
const options = { skip, timeout: 60_000 };

const tree = () => directory({ a: fileOf(bytesOf(9 * BLOCK_SIZE, 31)) });
const isMounted = (image: MountedImage) =>
  readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${image.mountPoint} `);
const fdCount = () => readdirSync('/proc/self/fd').length;
/** Of sessions: the watch is one for the process, and stays. */
const threadNames = () =>
  readdirSync('/proc/self/task')
    .map(threadName)
    .filter((name) => name.startsWith('g8ufs') && name !== 'g8ufs-watch')
    .sort();

/** The thread that has unmounted may go at any time. */
function threadName(task: string): string {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'latin1').trim();
  } catch {
    return '';
  }
}

/** Holds the file open and waits. */
async function holder(image: MountedImage): Promise<ChildProcess> {
  const child = spawn(
    '/bin/sh',
    ['-c', `exec 3< ${image.mountPoint}/a; echo open; exec sleep 60`],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  assert.notEqual(child.stdout, null);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

test('closeSession() unmounts and leaves nothing', options, async (context) => {
  const image = await MountedImage.open(context, tree(), { workers: 3 });
  await image.shell('cat $M/a');
  assert.deepEqual(threadNames(), ['g8ufs-fuse-0', 'g8ufs-fuse-1', 'g8ufs-fuse-2', 'g8ufs-wait']);
  await image.close();
  await image.ended;
  assert.equal(isMounted(image), false);
  assert.deepEqual(threadNames(), []);
  await image.close();
  const before = fdCount();
  for (let i = 0; i < 5; i++) {
    const again = await MountedImage.open(context, tree());
    await again.shell('cat $M/a');
    await again.close();
    await again.ended;
    await again.destroy();
  }
  assert.equal(fdCount(), before);
});

test('closeSession() refuses a busy mount unless lazy', options, async (context) => {
  const image = await MountedImage.open(context, tree());
  const child = await holder(image);
  await assert.rejects(image.close(), (error) => isG8Error(error, 'ERR_MOUNT'));
  assert.equal(isMounted(image), true);
  await image.shell('cat $M/a > /dev/null');
  await image.close(true);
  assert.equal(isMounted(image), false);
  assert.equal(image.stats().openFiles, 1);
  child.kill('SIGKILL');
  await image.ended;
});

test('a lazily closed mount serves its holders to the end', options, async (context) => {
  const image = await MountedImage.open(context, tree());
  const script = `cd $M; exec 3< a; echo open; read go; wc -c <&3`;
  const child = spawn('/bin/sh', ['-c', script], {
    env: { ...process.env, M: image.mountPoint },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await image.close(true);
  child.stdin.write('go\n');
  const [data] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(data.toString().trim(), String(9 * BLOCK_SIZE));
  child.stdin.end();
  await image.ended;
});

test('an unmount from outside ends the session', options, async (context) => {
  const image = await MountedImage.open(context, tree());
  await runProgram('umount', [image.mountPoint]);
  await image.ended;
  await image.close();
  assert.deepEqual(threadNames(), []);
});

test('an abort from outside ends the session and its readers', options, async (context) => {
  const image = await MountedImage.open(context, tree(), { onNeed: () => {} });
  const reading = image.shell('cat $M/a');
  await image.needsCame(1);
  await runProgram('umount', ['-f', image.mountPoint]);
  await image.ended;
  const result = await reading;
  assert.notEqual(result.code, 0);
});

test('closeSession() under load hangs nobody', options, async (context) => {
  const files = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`f${i}`, fileOf(bytesOf(3 * BLOCK_SIZE, 200 + i))]),
  );
  const image = await MountedImage.open(context, directory(files), { onNeed: () => {} });
  const readers = Array.from({ length: 50 }, (_, i) =>
    runProgram('cat', [join(image.mountPoint, `f${i}`)]),
  );
  await image.needsCame(50);
  await image.close(true);
  for (const need of image.needs) image.answer(need);
  for (const result of await Promise.all(readers)) assert.equal(result.code, 0, result.stderr);
  await image.ended;
});

test('openSession() says what is wrong', options, async (context) => {
  const image = await MountedImage.open(context, tree());
  const broken = join(temporaryDirectory(context), 'index');
  mkdirSync(broken);
  writeFileSync(join(broken, 'mount.erofs'), Buffer.alloc(8192));
  writeFileSync(join(broken, 'mount.contents'), Buffer.alloc(8192));
  const open = (changes: object) =>
    addon().openSession(
      { ...image.defaults(), ...changes },
      () => {},
      () => {},
    );
  await assert.rejects(open({ indexDir: broken }), (error) => isG8Error(error, 'ERR_FLIST_FORMAT'));
  await assert.rejects(open({ indexDir: '/none' }), (error) => isG8Error(error, 'ERR_NO_INPUT'));
  await assert.rejects(open({ mountPoint: '/none' }), (error) => isG8Error(error, 'ERR_NO_INPUT'));
  await assert.rejects(open({ mountPoint: '/etc/passwd' }), (error) =>
    isG8Error(error, 'ERR_MOUNT'),
  );
});

test('a process that exits takes its mounts with it', options, async (context) => {
  const image = await MountedImage.open(context, tree(), { onNeed: () => {} });
  await image.close();
  await image.ended;
  for (const ending of ['exit', 'worker']) {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '../support/mounting-process.js'), ending],
      {
        env: { ...process.env, ...sanitizerEnv(), OPTIONS: JSON.stringify(image.defaults()) },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const reading = once(child.stdout, 'data').then(() => image.shell('cat $M/a'));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0);
    assert.notEqual((await reading).code, 0);
    assert.equal(isMounted(image), false);
  }
});

test('a user mounts through fusermount3', options, async (context) => {
  const image = await MountedImage.open(context, tree());
  await image.close();
  await image.ended;
  image.writeComplete(0);
  // A device node that everybody may open, in a mount namespace of its own.
  const script = `set -e
    chmod 755 ${image.folder} ${image.folder}/*; chown nobody ${image.mountPoint}
    mkdir ${image.folder}/dev; mount -t tmpfs tmpfs ${image.folder}/dev
    mknod ${image.folder}/dev/fuse c 10 229; chmod 666 ${image.folder}/dev/fuse
    mount --bind ${image.folder}/dev/fuse /dev/fuse
    exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`;
  const mounting = join(import.meta.dirname, '../support/mounting-process.js');
  const variables = Object.entries(sanitizerEnv()).map(([name, value]) => `${name}=${value}`);
  const program = ['/usr/bin/env', ...variables, process.execPath, mounting];
  const result = await runProgram(
    'unshare',
    ['-m', '--propagation', 'private', '/bin/sh', '-c', script, 'sh', ...program, 'user'],
    {
      env: {
        ...process.env,
        OPTIONS: JSON.stringify({ ...image.defaults(), allowOther: false, source: 'a,b\\c d' }),
      },
    },
  );
  assert.equal(result.code, 0, result.stderr);
  const report = JSON.parse(result.stdout) as Record<string, unknown>;
  assert.equal(report['passthrough'], false);
  assert.equal(report['bytes'], 9 * BLOCK_SIZE);
  assert.match(String(report['mount']), /ro,nosuid,nodev/);
  assert.match(String(report['mount']), /fuse\.g8ufs a,b\\134c\\040d/);
  assert.equal(report['mountedAfterClose'], false);
});
