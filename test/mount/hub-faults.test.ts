/** A mount over a hub that fails (docs/faults.md has the faults one by one): readers end, others are answered. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { MountStats } from '../../src/fs/explain.ts';
import { until } from '../support/child-server.ts';
import { type NetworkFault, startFaultProxy } from '../support/fault-proxy.ts';
import { MountWorld, run, startProgram } from '../support/mount-world.ts';

/** More than the calls that may run. */
const READERS = 30;
const LYING: readonly NetworkFault[] = [
  { kind: 'flip' },
  { kind: 'truncate' },
  { kind: 'frames', how: 'exchanged' },
];

test('a hub that hangs, lies and comes back: control is answered, reads end in time, no wrong byte', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  for (let i = 0; i < READERS + 20; i++) {
    writeFileSync(join(source, `file-${i}`), randomBytes(20_000 + i));
  }
  await world.startHub();
  const proxy = await startFaultProxy(context, world.hubUrl);
  const flist = world.path('image.flist');
  await world.json('flist', 'create', source, flist, '--store', proxy.url);
  const patient = await world.mount(flist, '--deadline', '10min', '--prefetch', 'none');
  const quick = await world.mount(flist, '--deadline', '2s', '--prefetch', 'none');
  const stats = async (mnt: string): Promise<MountStats> => await world.json('stats', mnt);

  proxy.suffer({ kind: 'stall', at: 'head' });
  const readers: ChildProcess[] = [];
  const exits: Promise<unknown>[] = [];
  for (let i = 0; i < READERS; i++) {
    const reader = startProgram('cat', join(patient, `file-${i}`));
    readers.push(reader);
    exits.push(once(reader, 'exit'));
  }
  await until('All readers', async () => (await stats(patient)).waiting.length >= READERS);
  for (const command of [
    ['ps'],
    ['top', '--once'],
    ['metrics', '--cache', world.cache],
    ['cache', 'status', '--cache', world.cache],
  ]) {
    assert.equal((await world.cli(...command)).code, 0, command.join(' '));
  }
  assert.equal(readers.filter(({ exitCode }) => exitCode === null).length, READERS);

  const late = await run('cat', join(quick, `file-${READERS}`));
  assert.equal(late.code, 1);
  assert.match(late.stderr, /Input\/output error/);

  for (const reader of readers) reader.kill('SIGKILL');
  await Promise.all(exits);
  // Nor does anybody ask on their behalf, ten minutes or not.
  await until('The end of all waits', async () => (await stats(patient)).waiting.length === 0);

  for (const [i, fault] of LYING.entries()) {
    proxy.suffer(fault);
    const names = [1, 2, 3, 4].map((n) => `file-${READERS + 4 * i + n}`);
    const results = await Promise.all(
      names.map((name) => run('cmp', join(quick, name), join(source, name))),
    );
    // 2 is trouble with a file, 1 a difference.
    assert.ok(
      results.every(({ code }) => code !== 1),
      JSON.stringify(results),
    );
  }
  proxy.suffer(undefined);
  const again = async (name: string): Promise<boolean> =>
    (await run('cmp', join(patient, name), join(source, name))).code === 0;
  for (let i = 0; i < READERS + 20; i++) assert.ok(await again(`file-${i}`), `file-${i}`);

  const [store] = (await stats(patient)).stores;
  assert.equal(store?.store, proxy.url);
  assert.equal(store?.circuit, 'closed', JSON.stringify(store));
  assert.ok((store?.failures ?? 0) > 0 && (store?.opened ?? 0) > 0, JSON.stringify(store));
  const metrics = (await world.cli('metrics', '--cache', world.cache)).stdout;
  assert.match(metrics, /^g8ufs_store_failures_total [1-9]/m);
  assert.match(metrics, /^g8ufs_stores\{circuit="closed"\} 1$/m);
  await world.unmount(quick);
  await world.unmount(patient);
});
