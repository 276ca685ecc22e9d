/** Commands about networks and control groups, by raw commands on a real Redis, in a network of this file. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { type CoreWorld, startCoreWorld } from '../support/core-world.ts';
import { firewall, interfaceNames } from '../support/network-world.ts';
import { NO_OWN_NETWORK } from '../support/own-network.ts';

const options = { skip: NO_OWN_NETWORK };
let world: CoreWorld;

before(async () => {
  if (NO_OWN_NETWORK === false) world = await startCoreWorld();
});
after(() => world?.stop());

async function value(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
  return await world.client.json(command, args);
}

async function code(command: string, args: Record<string, unknown> = {}): Promise<number> {
  return (await world.client.run(command, args)).code;
}

test('ip.* make, change and list interfaces, addresses and routes', options, async () => {
  await value('ip.bridge.add', { name: 'br5', hwaddr: '52:54:00:00:00:05' });
  execFileSync('ip', ['link', 'add', 'dum0', 'type', 'veth', 'peer', 'name', 'dum9']);
  await value('ip.bridge.addif', { name: 'br5', inf: 'dum0' });
  await value('ip.link.up', { name: 'br5' });
  await value('ip.link.mtu', { name: 'dum0', mtu: 1400 });
  const links = (await value('ip.link.list')) as { name: string }[];
  assert.deepEqual(
    links.find(({ name }) => name === 'br5'),
    {
      ...{ type: 'bridge', name: 'br5', hwaddr: '52:54:00:00:00:05', master: '', up: true },
    },
  );
  assert.equal(
    (links.find(({ name }) => name === 'dum0') as unknown as { master: string }).master,
    'br5',
  );
  await value('ip.bridge.delif', { name: 'br5', inf: 'dum0' });
  assert.equal(await code('ip.bridge.delif', { name: 'br5', inf: 'dum0' }), 500);
  await value('ip.link.name', { name: 'dum0', new: 'dum1' });
  await value('ip.addr.add', { name: 'br5', ip: '10.5.0.1/24' });
  assert.ok(((await value('ip.addr.list', { name: 'br5' })) as string[]).includes('10.5.0.1/24'));
  await value('ip.route.add', { dev: 'br5', dst: '10.6.0.0/16', gw: '10.5.0.9' });
  const routes = (await value('ip.route.list')) as { dst: string }[];
  assert.deepEqual(
    routes.filter(({ dst }) => dst === '10.6.0.0/16'),
    [{ dev: 'br5', dst: '10.6.0.0/16', gw: '10.5.0.9' }],
  );
  await value('ip.route.del', { dev: 'br5', dst: '10.6.0.0/16', gw: null });
  assert.equal(await code('ip.route.del', { dev: 'br5', dst: '10.6.0.0/16', gw: null }), 500);
  await value('ip.addr.del', { name: 'br5', ip: '10.5.0.1/24' });
  await value('ip.link.down', { name: 'br5' });
  await value('ip.bridge.del', { name: 'br5' });
  assert.equal(await code('ip.bridge.del', { name: 'br5' }), 500);
  execFileSync('ip', ['link', 'del', 'dum1']);
  for (const name of ['a b', '-x', '', 'lo\nlink del lo']) {
    assert.equal(await code('ip.link.up', { name }), 400, name);
  }
  assert.deepEqual(interfaceNames(), ['lo']);
});

test('bridge.* as the captured clients send them', options, async () => {
  const network = { mode: 'static', nat: true, settings: { cidr: '10.1.0.1/24' } };
  await value('bridge.create', { name: 'br0', hwaddr: null, network });
  assert.equal(await code('bridge.create', { name: 'br0', hwaddr: null, network }), 500);
  assert.deepEqual(await value('bridge.list'), ['br0']);
  assert.match(firewall(), /ip saddr 10\.1\.0\.0\/24 oifname != "br0" masquerade/);
  execFileSync('ip', ['link', 'add', 'dum0', 'type', 'veth', 'peer', 'name', 'dum9']);
  await value('bridge.nic-add', { name: 'br0', nic: 'dum0' });
  assert.deepEqual(await value('bridge.nic-list', { name: 'br0' }), ['dum0']);
  await value('bridge.nic-remove', { nic: 'dum0' });
  assert.deepEqual(await value('bridge.nic-list', { name: 'br0' }), []);
  execFileSync('ip', ['link', 'del', 'dum0']);
  assert.equal(await value('bridge.delete', { name: 'br0' }), null);
  assert.equal(await code('bridge.delete', { name: 'br0' }), 404);
  assert.equal(await code('bridge.create', { name: 'br0', network: { mode: 'vxlan' } }), 400);
  assert.equal(firewall(), '');
});

test('socat.reserve promises free ports, and nft.* leave the firewall alone', options, async () => {
  const first = (await value('socat.reserve', { number: 2 })) as number[];
  const second = (await value('socat.reserve', { number: 1 })) as number[];
  assert.deepEqual([...first, ...second], [1024, 1025, 1026]);
  assert.equal(await code('socat.reserve', { number: 0 }), 400);
  assert.deepEqual(await value('socat.list'), {});
  const port = { port: 8080, interface: null, subnet: null };
  assert.equal(await code('nft.open_port', port), 406);
  assert.equal(await value('nft.rule_exists', port), false);
  assert.deepEqual(await value('nft.list'), []);
});

test(
  'acceptance 9: a process is put into a group, seen there, and the group removed',
  options,
  async (t) => {
    const name = `g8ufs-test-${randomBytes(4).toString('hex')}`;
    t.after(() => world.client.run('cgroup.remove', { subsystem: 'memory', name }));
    const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    await once(child, 'spawn');
    const pid = child.pid as number;
    const group = { subsystem: 'memory', name };
    await value('cgroup.ensure', group);
    assert.ok(((await value('cgroup.list')) as { memory: string[] }).memory.includes(name));
    assert.deepEqual(await value('cgroup.tasks', group), []);
    await value('cgroup.task-add', { ...group, pid });
    assert.equal(((await value('cgroup.tasks', group)) as number[])[0], pid);
    const spec = (await value('cgroup.memory.spec', { name, mem: 268435456, swap: 0 })) as {
      mem: number;
    };
    assert.equal(spec.mem, 268435456);
    await value('cgroup.reset', group);
    await value('cgroup.task-remove', { ...group, pid });
    assert.equal(await value('cgroup.remove', group), null);
    assert.equal(await code('cgroup.reset', group), 404);
    assert.equal(await code('cgroup.ensure', { subsystem: 'cpu', name }), 400);
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  },
);
