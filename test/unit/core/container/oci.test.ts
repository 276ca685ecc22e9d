import assert from 'node:assert/strict';
import test from 'node:test';
import { type OciOptions, ociConfig } from '../../../../src/core/container/oci.ts';

const OPTIONS: OciOptions = {
  id: 5,
  rootfs: '/state/5/rootfs',
  hostname: '',
  privileged: false,
  env: { HOME: '/root', K: 'v' },
  network: { path: '/run/netns/x' },
  cgroupPath: '/g8ufs/5',
  limits: {},
  binds: [{ source: '/srv', target: '/data', isReadOnly: false }],
  initProgram: '/usr/bin/init',
  status: 'CapBnd:\t000001ffffffffff\n',
  arch: 'x64',
};

test('ociConfig() of an ordinary container waits, bounded on all sides', () => {
  const { process, linux, hostname, mounts, root } = ociConfig(OPTIONS);
  assert.equal(hostname, 'core-5');
  assert.deepEqual(root, { path: '/state/5/rootfs', readonly: false });
  assert.deepEqual(process.args, ['/.g8ufs/init', '-P']);
  assert.deepEqual(process.env.slice(1), ['HOME=/root', 'K=v']);
  assert.equal(process.noNewPrivileges, true);
  const types = linux.namespaces.map(({ type, path }) =>
    path === undefined ? type : `${type} ${path}`,
  );
  assert.deepEqual(types, ['pid', 'mount', 'uts', 'ipc', 'cgroup', 'network /run/netns/x']);
  assert.equal(linux.seccomp?.defaultAction, 'SCMP_ACT_ERRNO');
  assert.ok(linux.maskedPaths.includes('/proc/kcore'));
  assert.ok(linux.readonlyPaths.includes('/proc/sys'));
  const device = (linux.resources as { devices: object[] }).devices[0];
  assert.deepEqual(device, { allow: false, access: 'rwm' });
  const data = mounts.find(({ destination }) => destination === '/data');
  assert.ok(data?.options.includes('rw'));
  // Later ones lie on earlier ones: nothing may hide what we bring along.
  assert.equal(mounts.at(-1)?.destination, '/.g8ufs/init');
  assert.ok(mounts.at(-1)?.options.includes('ro'));
  // More than the hard limits of this process would fail.
  assert.ok(!('rlimits' in process));
});

test('ociConfig() of a privileged container has no bounds but its namespaces', () => {
  const { process, linux, mounts } = ociConfig({ ...OPTIONS, privileged: true });
  assert.equal(process.noNewPrivileges, false);
  assert.equal(process.capabilities['bounding']?.length, 41);
  assert.equal(linux.seccomp, undefined);
  assert.deepEqual([linux.maskedPaths, linux.readonlyPaths], [[], []]);
  assert.equal(mounts.find(({ destination }) => destination === '/dev')?.source, '/dev');
});

test('ociConfig() passes command, limits and the network on', () => {
  const limits = { memoryBytes: 1024, pidsCount: 9, cpuCount: 0.25 };
  const command = ['ls', '-l'];
  const config = ociConfig({ ...OPTIONS, command, cwd: '/srv', limits, network: 'host' });
  assert.deepEqual(config.process.args, ['/.g8ufs/init', '--', 'ls', '-l']);
  assert.equal(config.process.cwd, '/srv');
  assert.ok(!config.linux.namespaces.some(({ type }) => type === 'network'));
  const { devices, ...rest } = config.linux.resources;
  assert.ok(devices !== undefined);
  assert.deepEqual(rest, {
    memory: { limit: 1024 },
    pids: { limit: 9 },
    cpu: { quota: 25_000, period: 100_000 },
  });
  const none = ociConfig({ ...OPTIONS, network: 'none' }).linux.namespaces.at(-1);
  assert.deepEqual(none, { type: 'network' });
});
