import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { ContainerCgroup } from '../../../../src/core/container/cgroup.ts';
import { Container } from '../../../../src/core/container/container.ts';
import { putLayer } from '../../../../src/core/container/flist-layer.ts';
import type { ContainerRecord } from '../../../../src/core/container/record.ts';
import type { ContainerSystem } from '../../../../src/core/container/system.ts';

const system = { stateDir: '/nowhere', cgroupParent: '/g' } as ContainerSystem;
const unified = { type: 'cgroup2', superOptions: 'rw' };
const freezer = { type: 'cgroup', superOptions: 'rw,freezer' };

function containerOn(
  hierarchies: readonly { type: string; superOptions: string }[],
  cgroups: ContainerRecord['arguments']['cgroups'],
): Container {
  const record = { id: 3, arguments: { cgroups }, init: null } as unknown as ContainerRecord;
  const entry = { id: 1, parent: 0, device: '', source: '', mountPoint: '/nowhere' };
  const mounts = hierarchies.map((hierarchy) => ({ ...entry, ...hierarchy }));
  return new Container(system, record, new ContainerCgroup('/g/3', mounts));
}

test('a container in named groups cannot be paused, nor get a layer, where there is version 2 alone', async () => {
  const named = [['memory', 'shared']] satisfies ContainerRecord['arguments']['cgroups'];
  const container = containerOn([unified], named);
  const isRefused = (error: unknown) =>
    isG8Error(error, 'ERR_USAGE') && /Container 3 cannot be paused/.test(error.message);
  assert.throws(() => container.checkPausable(), isRefused);
  await assert.rejects(container.pause(), isRefused);
  // Before anything is mounted or written: there is nothing at these paths.
  const { signal } = new AbortController();
  await assert.rejects(putLayer(system, container, '/any.flist', signal), isRefused);
  containerOn([unified], null).checkPausable();
  containerOn([unified], []).checkPausable();
  containerOn([freezer, unified], named).checkPausable();
});
