import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { listDaemons, register } from '../../../src/fs/registry.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const record = (pid: number) => ({ pid, cacheDir: '/cache', socket: '/cache/run/control.sock' });

/** The pid of a process that has ended. */
function deadPid(): number {
  return Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
}

test('listDaemons() finds what was registered until it is taken away', async (t) => {
  const dir = join(temporaryDirectory(t), 'registry');
  const unregister = await register(dir, record(process.pid));
  assert.deepEqual(await listDaemons(dir), [record(process.pid)]);
  await unregister();
  await unregister();
  assert.deepEqual(await listDaemons(dir), []);
});

test('listDaemons() finds nothing where nobody ever registered', async (t) => {
  assert.deepEqual(await listDaemons(join(temporaryDirectory(t), 'absent')), []);
});

test('listDaemons() lists by pid', async (t) => {
  const dir = temporaryDirectory(t);
  const pids = [process.pid, process.ppid].filter((pid) => pid > 0);
  for (const pid of pids) await register(dir, { ...record(pid), cacheDir: `/cache/${pid}` });
  const found = (await listDaemons(dir)).map(({ pid }) => pid);
  assert.deepEqual(
    found,
    pids.sort((a, b) => a - b),
  );
});

test('a daemon takes the place of the one before it on its cache, and knows its keeper', async (t) => {
  const dir = temporaryDirectory(t);
  const before = { ...record(deadPid()), keeper: process.ppid };
  await register(dir, before);
  // Its keeper lives: somebody will come.
  assert.deepEqual(await listDaemons(dir), [before]);
  await register(dir, record(process.pid));
  assert.deepEqual(await listDaemons(dir), [{ ...record(process.pid), keeper: process.ppid }]);
});

test('register() keeps folder and record to their owner and leaves no other file', async (t) => {
  const dir = join(temporaryDirectory(t), 'registry');
  await register(dir, record(process.pid));
  assert.deepEqual(readdirSync(dir), [`${process.pid}.json`]);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dir, `${process.pid}.json`)).mode & 0o777, 0o600);
});

test('listDaemons() removes the record of a process that is gone', async (t) => {
  const dir = temporaryDirectory(t);
  await register(dir, record(deadPid()));
  assert.deepEqual(await listDaemons(dir), []);
  assert.deepEqual(readdirSync(dir), []);
});

for (const [name, text] of [
  ['an empty file', ''],
  ['a half-written file', '{"pid":1,"cache'],
  ['null', 'null'],
  ['a record without a socket', '{"pid":1,"cacheDir":"/c"}'],
  ['a process group', '{"pid":0,"cacheDir":"/c","socket":"/s"}'],
] as const) {
  test(`listDaemons() removes ${name}`, async (t) => {
    const dir = temporaryDirectory(t);
    writeFileSync(join(dir, '0.json'), text);
    assert.deepEqual(await listDaemons(dir), []);
    assert.deepEqual(readdirSync(dir), []);
  });
}

test('listDaemons() does not believe a record that says another pid than its name', async (t) => {
  const dir = temporaryDirectory(t);
  writeFileSync(join(dir, `${deadPid()}.json`), JSON.stringify(record(process.pid)));
  assert.deepEqual(await listDaemons(dir), []);
});

test('listDaemons() leaves files alone that are no records', async (t) => {
  const dir = temporaryDirectory(t);
  for (const name of ['notes.txt', '12.json.tmp', 'x12.json']) writeFileSync(join(dir, name), '');
  assert.deepEqual(await listDaemons(dir), []);
  assert.equal(readdirSync(dir).length, 3);
});

test('listDaemons() keeps a record that it cannot read now', async (t) => {
  const dir = temporaryDirectory(t);
  // A folder in its place fails with EISDIR, as a full descriptor table would with EMFILE.
  mkdirSync(join(dir, `${process.pid}.json`));
  await assert.rejects(listDaemons(dir), { code: 'ERR_IO' });
  assert.equal(readdirSync(dir).length, 1);
});
