import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ContainerCgroup } from '../../../../src/core/container/cgroup.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

test('ContainerCgroup reads either version, and nothing where nothing is', (context) => {
  const folder = temporaryDirectory(context);
  const mount = (name: string, type: string, superOptions: string) => {
    const mountPoint = join(folder, name);
    mkdirSync(join(mountPoint, 'g/1'), { recursive: true });
    return { id: 1, parent: 0, device: '', source: '', mountPoint, type, superOptions };
  };
  const cpu = mount('cpu', 'cgroup', 'rw,cpu');
  const memory = mount('memory', 'cgroup', 'rw,memory');
  const unified = mount('unified', 'cgroup2', 'rw');
  writeFileSync(join(memory.mountPoint, 'g/1/cgroup.procs'), '7\n8\n');
  writeFileSync(join(memory.mountPoint, 'g/1/memory.oom_control'), 'under_oom 0\noom_kill 2\n');
  const first = new ContainerCgroup('/g/1', [cpu, memory]);
  assert.deepEqual(
    [first.processes(), first.outOfMemoryKills(), first.eventsFile],
    [[7, 8], 2, undefined],
  );
  writeFileSync(join(unified.mountPoint, 'g/1/cgroup.procs'), '9\n');
  writeFileSync(join(unified.mountPoint, 'g/1/memory.events'), 'oom 5\noom_kill 3\n');
  const second = new ContainerCgroup('/g/1', [unified]);
  assert.deepEqual([second.processes(), second.outOfMemoryKills()], [[9], 3]);
  assert.equal(second.eventsFile, join(unified.mountPoint, 'g/1/cgroup.events'));
  // Version 1 freezes where there is both, and never knows of groups of version 2.
  const freezer = mount('freezer', 'cgroup', 'rw,freezer');
  const still = () =>
    [[unified], [freezer], [freezer, unified]].map((mounts) => {
      const group = new ContainerCgroup('/g/1', mounts);
      return [group.isFrozen(), group.freezesByUnified];
    });
  assert.deepEqual(still(), [
    [false, true],
    [false, false],
    [false, false],
  ]);
  writeFileSync(join(unified.mountPoint, 'g/1/cgroup.freeze'), '1\n');
  writeFileSync(join(freezer.mountPoint, 'g/1/freezer.state'), 'THAWED\n');
  assert.deepEqual(
    still().map(([isFrozen]) => isFrozen),
    [true, false, false],
  );
  writeFileSync(join(freezer.mountPoint, 'g/1/freezer.state'), 'FREEZING\n');
  assert.deepEqual(
    still().map(([isFrozen]) => isFrozen),
    [true, true, true],
  );
  const none = new ContainerCgroup('/g/2', [cpu, memory, unified]);
  assert.deepEqual([none.processes(), none.outOfMemoryKills()], [[], 0]);
});
