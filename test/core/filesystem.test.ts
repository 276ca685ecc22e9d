/** `filesystem.*` on the host, by raw commands: line 7 of the acceptance list. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../support/child-server.ts';
import { type CoreWorld, startCoreWorld } from '../support/core-world.ts';
import type { RawCoreClient } from '../support/raw-core-client.ts';

let world: CoreWorld;
let client: RawCoreClient;
let here: (name: string) => string;

before(async () => {
  world = await startCoreWorld();
  client = world.client;
  here = (name) => join(world.workingDir, name);
});
after(() => world.stop());

const open = (file: string, mode: string, perm = 420): Promise<unknown> =>
  client.json('filesystem.open', { file, mode, perm });
const fails = async (command: string, args: Record<string, unknown>): Promise<string> => {
  const { state, level, data } = await client.run(command, args);
  assert.deepEqual([state, level], ['ERROR', 20], `${command} ${JSON.stringify(args)}`);
  return JSON.parse(data) as string;
};
/** Base64 with a line end every 76 characters, as the captured client sends it. */
const lines = (bytes: Buffer): string =>
  bytes
    .toString('base64')
    .replace(/.{76}/g, (line) => `${line}\n`)
    .concat('\n');

test('a file is written and read in blocks', async () => {
  const content = Buffer.alloc(1_300_000, 'some content ');
  const up = await open('up.bin', 'w');
  for (let at = 0; at < content.length; at += 512 * 1024) {
    const block = lines(content.subarray(at, at + 512 * 1024));
    assert.equal(await client.json('filesystem.write', { fd: up, block }), null);
  }
  assert.equal(await client.json('filesystem.close', { fd: up }), null);
  assert.deepEqual(readFileSync(here('up.bin')), content);
  assert.equal(statSync(here('up.bin')).mode & 0o7777, 0o644);
  const down = await open('up.bin', 'r');
  const blocks: Buffer[] = [];
  for (;;) {
    const text = (await client.json('filesystem.read', { fd: down })) as string;
    if (text === '') break;
    blocks.push(Buffer.from(text, 'base64'));
  }
  assert.equal(blocks[0]?.length, 512 * 1024);
  assert.deepEqual(Buffer.concat(blocks), content);
  await client.json('filesystem.close', { fd: down });
});

test('open modes do what they say', async () => {
  const put = async (fd: unknown, text: string) =>
    client.json('filesystem.write', { fd, block: Buffer.from(text).toString('base64') });
  const content = () => readFileSync(here('modes'), 'utf8');
  assert.match(await fails('filesystem.open', { file: 'modes', mode: 'r', perm: 420 }), /no such/);
  await fails('filesystem.open', { file: 'modes', mode: 'r+', perm: 420 });
  await put(await open('modes', 'x', 0o600), 'one');
  assert.equal(statSync(here('modes')).mode & 0o7777, 0o600);
  await fails('filesystem.open', { file: 'modes', mode: 'x', perm: 420 });
  await put(await open('modes', 'a'), ' two');
  assert.equal(content(), 'one two');
  const both = await open('modes', 'r+');
  assert.equal(await client.json('filesystem.read', { fd: both }), btoa('one two'));
  await put(both, ' three');
  assert.equal(content(), 'one two three');
  await open('modes', 'w');
  assert.equal(content(), '');
  for (const mode of ['', 'rw', 'b', '+', 'r++', 'constructor']) {
    await fails('filesystem.open', { file: 'modes', mode, perm: 420 });
  }
});

test('reading what is open for writing, and writing what is open for reading, is an error', async () => {
  const writing = await open('one-way', 'w');
  await fails('filesystem.read', { fd: writing });
  const reading = await open('one-way', 'r');
  await fails('filesystem.write', { fd: reading, block: 'QUFB' });
  await fails('filesystem.write', { fd: writing, block: 'no base64!' });
});

test('closing what is not open is fine, using it is not', async () => {
  const fd = await open('closed', 'w');
  assert.equal(await client.json('filesystem.close', { fd }), null);
  assert.equal(await client.json('filesystem.close', { fd }), null);
  await fails('filesystem.read', { fd });
});

test('a folder cannot be opened, and a pipe without a writer does not stop the others', async () => {
  await client.bash('mkfifo pipe');
  await fails('filesystem.open', { file: '.', mode: 'r', perm: 420 });
  await fails('filesystem.open', { file: 'pipe', mode: 'w', perm: 420 });
  const fd = await open('pipe', 'r');
  assert.equal(await client.json('filesystem.exists', { path: 'pipe' }), true);
  await client.json('filesystem.close', { fd });
});

test('folders are made with what is missing above them, and listed by name', async () => {
  assert.equal(await client.json('filesystem.mkdir', { path: 'a/b/c' }), null);
  assert.equal(await client.json('filesystem.mkdir', { path: 'a/b/c' }), null);
  assert.equal(statSync(here('a/b')).mode & 0o7777, 0o755);
  writeFileSync(here('a/z'), 'four');
  chmodSync(here('a/z'), 0o4711);
  symlinkSync('/nowhere', here('a/link'));
  const list = (await client.json('filesystem.list', { path: 'a' })) as { name: string }[];
  assert.deepEqual(
    list.map(({ name }) => name),
    ['b', 'link', 'z'],
  );
  assert.deepEqual(list[2], { name: 'z', size: 4, mode: 0o4711, is_dir: false });
  assert.deepEqual(
    [list[0]].map((each) => (each as unknown as { is_dir: boolean }).is_dir),
    [true],
  );
  writeFileSync(here('a/file'), '');
  await fails('filesystem.mkdir', { path: 'a/file/d' });
  await fails('filesystem.list', { path: 'a/none' });
});

test('exists is false only for what is not there', async () => {
  symlinkSync('/nowhere', here('dangling'));
  const exists = (path: string) => client.json('filesystem.exists', { path });
  assert.equal(await exists('.'), true);
  assert.equal(await exists('none'), false);
  assert.equal(await exists('dangling'), false);
  await fails('filesystem.exists', { path: 'up.bin/x' });
});

test('remove takes everything below, never what a link points to', async () => {
  mkdirSync(here('keep'));
  writeFileSync(here('keep/file'), '');
  mkdirSync(here('gone/deep/er'), { recursive: true });
  symlinkSync(here('keep'), here('gone/deep/link'));
  symlinkSync(here('keep'), here('top'));
  assert.equal(await client.json('filesystem.remove', { path: 'gone' }), null);
  assert.equal(await client.json('filesystem.remove', { path: 'gone' }), null);
  assert.equal(await client.json('filesystem.remove', { path: 'top/' }), null);
  assert.ok(!existsSync(here('gone')) && !existsSync(here('top')) && existsSync(here('keep/file')));
  await fails('filesystem.remove', { path: '/' });
});

test('move renames, also over a file', async () => {
  writeFileSync(here('from'), 'new');
  writeFileSync(here('to'), 'old');
  assert.equal(await client.json('filesystem.move', { path: 'from', destination: 'to' }), null);
  assert.equal(readFileSync(here('to'), 'utf8'), 'new');
  await fails('filesystem.move', { path: 'from', destination: 'to' });
});

test('chmod and chown go through a tree and leave links alone', async () => {
  mkdirSync(here('tree/in'), { recursive: true });
  writeFileSync(here('tree/in/file'), '');
  writeFileSync(here('outside'), '');
  chmodSync(here('outside'), 0o600);
  symlinkSync(here('outside'), here('tree/in/link'));
  const chmod = { path: 'tree', mode: 0o711, recursive: true };
  assert.equal(await client.json('filesystem.chmod', chmod), null);
  assert.equal(statSync(here('tree/in/file')).mode & 0o7777, 0o711);
  assert.equal(statSync(here('outside')).mode & 0o7777, 0o600);
  const chown = { path: 'tree', user: 'daemon', group: 'nogroup', recursive: true };
  assert.equal(await client.json('filesystem.chown', chown), null);
  const { uid, gid } = statSync(here('tree/in/file'));
  assert.deepEqual([uid, gid], [1, 65_534]);
  assert.equal(lstatSync(here('tree/in/link')).uid, 1);
  assert.equal(statSync(here('outside')).uid, 0);
  await client.json('filesystem.chmod', { path: 'tree', mode: 0o755, recursive: false });
  assert.equal(statSync(here('tree/in')).mode & 0o7777, 0o711);
  await fails('filesystem.chown', { path: 'tree', user: 'nobody-at-all', group: 'root' });
  assert.match(await fails('filesystem.chmod', { path: 'none', mode: 1 }), /no such file/);
});

test('what is no path is refused', async () => {
  for (const path of ['', 'a\0b', 7, null, 'x'.repeat(5000)]) {
    await fails('filesystem.exists', { path });
  }
});

test('many files are listed', async () => {
  await client.bash('mkdir many && cd many && seq 20000 | xargs touch');
  const list = (await client.json('filesystem.list', { path: 'many' })) as unknown[];
  assert.equal(list.length, 20_000);
});

test('a guest program that is killed takes its files along, and the next one serves', async () => {
  const fd = await open('up.bin', 'r');
  interface Listed {
    readonly pid: number;
    readonly ppid: number;
    readonly name: string;
  }
  const list = (await client.json('process.list', { pid: null })) as Listed[];
  const guest = list.find(({ ppid, name }) => ppid === process.pid && name === 'g8ufs-guest');
  process.kill(guest?.pid as number, 'SIGKILL');
  await until('Its end', async () => {
    const { state } = await client.run('filesystem.exists', { path: 'up.bin' });
    return state === 'SUCCESS';
  });
  await fails('filesystem.read', { fd });
  assert.ok(await open('up.bin', 'r'));
});
