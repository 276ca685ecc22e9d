/** Named control groups, on whichever versions of the interface this host has. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import type { Subsystem } from '../../src/core/cgroup/group-files.ts';
import { NamedCgroups } from '../../src/core/cgroup/named-cgroups.ts';
import { readMountinfo } from '../../src/fs/mountinfo.ts';

const options = { skip: process.getuid?.() === 0 ? false : 'needs root' };
const isUnknown = (error: unknown): boolean => isG8Error(error, 'ERR_NO_INPUT');
const isRefused = (error: unknown): boolean => isG8Error(error, 'ERR_USAGE');

async function group(t: TestContext, subsystem: Subsystem, groups = new NamedCgroups()) {
  const name = `g8ufs-test-${randomBytes(4).toString('hex')}`;
  t.after(() => groups.remove(subsystem, name));
  await groups.ensure(subsystem, name);
  return { groups, name, path: groups.pathOf(subsystem, name) };
}

/** A process that waits for its end. */
async function waitingProcess(t: TestContext): Promise<number> {
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  t.after(async () => {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  });
  await once(child, 'spawn');
  return child.pid as number;
}

for (const subsystem of ['memory', 'cpuset'] as const) {
  test(`a process is put into a ${subsystem} group and taken out`, options, async (t) => {
    const { groups, name } = await group(t, subsystem);
    await groups.ensure(subsystem, name);
    assert.ok((await groups.list())[subsystem]?.includes(name));
    assert.deepEqual(await groups.tasks(subsystem, name), []);
    const pid = await waitingProcess(t);
    await groups.addTask(subsystem, name, pid);
    assert.deepEqual(await groups.tasks(subsystem, name), [pid]);
    await groups.removeTask(subsystem, name, pid);
    assert.deepEqual(await groups.tasks(subsystem, name), []);
    await assert.rejects(groups.removeTask(subsystem, name, pid), isUnknown);
    await groups.addTask(subsystem, name, pid);
    await groups.remove(subsystem, name);
    await groups.remove(subsystem, name);
    assert.equal(await groups.has(subsystem, name), false);
  });
}

test('memory() sets limits up and down, and reset() takes them away', options, async (t) => {
  const { groups, name, path } = await group(t, 'memory');
  const MIB = 1024 * 1024;
  const { mem: unlimited } = await groups.memory(name, { mem: 0, swap: 0 });
  assert.ok(unlimited > 2 ** 60);
  for (const mem of [256 * MIB, 512 * MIB, 64 * MIB]) {
    assert.equal((await groups.memory(name, { mem, swap: 0 })).mem, mem);
    const file = groups.isUnified ? 'memory.max' : 'memory.limit_in_bytes';
    assert.equal(readFileSync(`${path}/${file}`, 'latin1').trim(), String(mem));
  }
  assert.equal((await groups.memory(name, { mem: 0, swap: 0 })).mem, 64 * MIB);
  await assert.rejects(groups.memory(name, { mem: -1, swap: 0 }), isRefused);
  await groups.reset('memory', name);
  assert.equal((await groups.memory(name, { mem: 0, swap: 0 })).mem, unlimited);
});

test('cpuset() sets what is given, and a new group may use everything', options, async (t) => {
  const { groups, name } = await group(t, 'cpuset');
  const before = await groups.cpuset(name, {});
  assert.deepEqual(await groups.cpuset(name, { cpus: '0' }), { ...before, cpus: '0' });
  await assert.rejects(groups.cpuset(name, { cpus: 'all' }), isRefused);
  await assert.rejects(groups.cpuset(name, { cpus: '4095' }), isRefused);
  await groups.reset('cpuset', name);
  assert.deepEqual(await groups.cpuset(name, {}), before);
});

test('groups that do not exist, and names that lead elsewhere, are refused', options, async (t) => {
  const groups = new NamedCgroups();
  const name = `g8ufs-test-${randomBytes(4).toString('hex')}`;
  await assert.rejects(groups.reset('memory', name), isUnknown);
  await assert.rejects(groups.tasks('memory', name), isUnknown);
  await assert.rejects(groups.memory(name, { mem: 0, swap: 0 }), isUnknown);
  for (const wrong of ['', '.', '..', '../x', 'a/b', '-x', 'a\nb']) {
    await assert.rejects(groups.ensure('memory', wrong), isRefused, wrong);
  }
  const made = await group(t, 'memory');
  await assert.rejects(groups.addTask('memory', made.name, 2 ** 22 + 5), isUnknown);
});

const unified = readMountinfo().filter(({ type }) => type === 'cgroup2');

test('with version 2 alone a name is one group of all subsystems', {
  skip: options.skip || (unified.length === 0 && 'no version 2 here'),
}, async (t) => {
  const { groups, name, path } = await group(t, 'memory', new NamedCgroups(unified));
  assert.equal(groups.isUnified, true);
  assert.equal(groups.pathOf('cpuset', name), path);
  const pid = await waitingProcess(t);
  await groups.addTask('cpuset', name, pid);
  assert.deepEqual(await groups.tasks('memory', name), [pid]);
  assert.ok((await groups.list()).memory?.includes(name));
  await groups.remove('memory', name);
  assert.equal(await groups.has('cpuset', name), false);
});
