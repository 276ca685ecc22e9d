/** Networks of containers, with real interfaces, rules and name servers, in a network namespace of this file. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { type NamedBridgeRequest, NamedBridges } from '../../src/core/network/bridges.ts';
import { OpenPorts } from '../../src/core/network/open-ports.ts';
import { parseNics } from '../../src/core/network/parse-nics.ts';
import { ReservedPorts } from '../../src/core/network/reserved-ports.ts';
import {
  firewall,
  HOST_ADDRESS,
  interfaceNames,
  leftovers,
  NetworkWorld,
  WORLD_ADDRESS,
} from '../support/network-world.ts';
import { NO_OWN_NETWORK } from '../support/own-network.ts';

const options = { skip: NO_OWN_NETWORK };
const NOTHING = { nics: [], forwards: {} };

function nics(...values: object[]) {
  return parseNics(values, { bridge: 'core0' });
}

const BRIDGE: NamedBridgeRequest = {
  ...({ name: 'br0', hwaddr: '', mode: 'none', nat: false } as const),
  ...{ cidr: '10.1.0.1/24', start: '10.1.0.50', end: '10.1.0.90' },
};
const DEFAULT = { nics: nics({ type: 'default' }), forwards: {} };

test('two containers with default nics reach each other and the world', options, async (t) => {
  const world = new NetworkWorld(t);
  world.addWorld();
  const network = world.network();
  const [one, two] = await Promise.all([network.prepare(1, DEFAULT), network.prepare(2, DEFAULT)]);
  assert.deepEqual(one.addresses, ['172.18.0.2/16']);
  assert.deepEqual(two.addresses, ['172.18.0.3/16']);
  assert.equal(one.netnsPath, '/run/netns/g8ufs-1');
  await world.serve(80, 'g8ufs-2');
  await world.serve(80, 'world');
  assert.equal(await world.call('g8ufs-1', '172.18.0.3', 80), 'from 172.18.0.2');
  assert.equal(await world.call('g8ufs-1', WORLD_ADDRESS, 80), `from ${HOST_ADDRESS}`);
  assert.deepEqual(
    (await network.nicsOf(1)).map(({ state }) => state),
    ['configured'],
  );
});

test('release() leaves nothing behind, and can be called again', options, async (t) => {
  const world = new NetworkWorld(t);
  const before = leftovers(world.settings);
  const network = world.network();
  await network.prepare(1, { ...DEFAULT, forwards: { '8080': 80 } });
  await network.prepare(300, DEFAULT);
  assert.deepEqual(interfaceNames().sort(), ['cont1-0', 'cont300-0', 'core0', 'lo']);
  assert.equal(readFileSync('/proc/sys/net/ipv4/ip_forward', 'latin1').trim(), '1');
  assert.deepEqual(
    world.log.map(([level, , text]) => [level, text]),
    [['info', 'IPv4 forwarding switched on: containers need it']],
  );
  await Promise.all([network.release(1), network.release(300)]);
  await network.release(1);
  await network.release(65_534);
  assert.deepEqual(leftovers(world.settings), before);
});

test(
  'a name server on the bridge answers, and is adopted by the next process',
  options,
  async (t) => {
    const world = new NetworkWorld(t);
    const { nameServers } = await world.network().prepare(1, DEFAULT);
    assert.deepEqual(nameServers, ['172.18.0.1']);
    const [first] = leftovers(world.settings)['servers'] as string[];
    await world.network().prepare(2, DEFAULT);
    assert.deepEqual(leftovers(world.settings)['servers'], [first]);
  },
);

test('forwards lead from the host, the world and neighbours to a container', options, async (t) => {
  const world = new NetworkWorld(t);
  world.addWorld();
  const network = world.network();
  await network.prepare(1, { ...DEFAULT, forwards: { '8080': 80, '192.0.2.0/24:8081': 80 } });
  await network.prepare(2, DEFAULT);
  await world.serve(80, 'g8ufs-1');
  assert.equal(await world.call('world', HOST_ADDRESS, 8080), `from ${WORLD_ADDRESS}`);
  assert.equal(await world.call('world', HOST_ADDRESS, 8081), `from ${WORLD_ADDRESS}`);
  assert.equal(await world.call(undefined, HOST_ADDRESS, 8080), 'from 192.0.2.2');
  assert.equal(await world.call(undefined, '127.0.0.1', 8080), 'from 172.18.0.1');
  assert.equal(await world.call('g8ufs-2', HOST_ADDRESS, 8080), 'from 172.18.0.1');
  assert.equal(await world.call('g8ufs-2', HOST_ADDRESS, 8081), 'ECONNREFUSED');
  assert.deepEqual(await network.forwardsOf(1), { '8080': 80, '192.0.2.0/24:8081': 80 });
  await network.removeForward(1, '8080', 80);
  assert.equal(await world.call('world', HOST_ADDRESS, 8080), 'ECONNREFUSED');
  await network.addForward(1, '9090', 80);
  assert.equal(await world.call('world', HOST_ADDRESS, 9090), `from ${WORLD_ADDRESS}`);
});

test('a container is reached from the world by its forwards only', options, async (t) => {
  const world = new NetworkWorld(t);
  world.addWorld();
  await world.network().prepare(1, DEFAULT);
  await world.serve(80, 'g8ufs-1');
  execFileSync('ip', ['-n', 'world', 'route', 'add', '172.18.0.0/16', 'via', HOST_ADDRESS]);
  assert.equal(await world.call('world', '172.18.0.2', 80, 500), 'silence');
});

test(
  'a container does not reach what listens on the loopback interface of the host',
  options,
  async (t) => {
    const world = new NetworkWorld(t);
    await world.network().prepare(1, DEFAULT);
    await world.serve(8080);
    execFileSync('ip', ['-n', 'g8ufs-1', '-batch', '-'], {
      input: 'addr del 127.0.0.1/8 dev lo\nroute add 127.0.0.0/8 via 172.18.0.1\n',
    });
    execFileSync('ip', [
      'netns',
      'exec',
      'g8ufs-1',
      'sh',
      '-c',
      'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet',
    ]);
    assert.equal(await world.call('g8ufs-1', '127.0.0.1', 8080, 500), 'silence');
    assert.equal(await world.call('g8ufs-1', '172.18.0.1', 8080), 'from 172.18.0.2');
  },
);

test('a host port is forwarded once only, by protocol', options, async (t) => {
  const world = new NetworkWorld(t);
  const network = world.network();
  await network.prepare(1, { ...DEFAULT, forwards: { '8080': 80 } });
  const isTaken = (error: unknown): boolean => isG8Error(error, 'ERR_USAGE');
  await assert.rejects(network.prepare(2, { ...DEFAULT, forwards: { '8080': 81 } }), isTaken);
  await assert.rejects(
    network.prepare(2, { ...DEFAULT, forwards: { '9|tcp': 1, '9|udp+tcp': 1 } }),
    isTaken,
  );
  await assert.rejects(network.addForward(1, '8080|tcp+udp', 80), isTaken);
  await network.addForward(1, '8080|udp', 80);
  assert.deepEqual(Object.keys(leftovers(world.settings)['namespaces'] as object).length, 1);
});

test('other tables stay as they are, and so does forwarding that was on', options, async (t) => {
  const world = new NetworkWorld(t);
  execFileSync('nft', ['-f', '-'], {
    input:
      'table inet foreign {\n chain input {\n type filter hook input priority 0\n tcp dport 9 drop\n}\n}\n',
  });
  t.after(() => execFileSync('nft', ['delete', 'table', 'inet', 'foreign']));
  execFileSync('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  t.after(() => execFileSync('sh', ['-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward']));
  const foreign = firewall();
  const network = world.network();
  await network.prepare(1, { ...DEFAULT, forwards: { '8080': 80 } });
  assert.ok(firewall().includes('table inet g8ufs'));
  assert.ok(firewall().includes(foreign.trim()));
  await network.release(1);
  assert.equal(firewall(), foreign);
  assert.equal(readFileSync('/proc/sys/net/ipv4/ip_forward', 'latin1').trim(), '1');
});

test(
  'prune() takes away what died containers have left, and repairs the table',
  options,
  async (t) => {
    const world = new NetworkWorld(t);
    await world.network().prepare(1, { ...DEFAULT, forwards: { '8080': 80 } });
    await world.network().prepare(2, DEFAULT);
    execFileSync('nft', ['flush', 'ruleset']);
    const network = world.network();
    await network.prune(new Set([1]));
    assert.deepEqual(interfaceNames().sort(), ['cont1-0', 'core0', 'lo']);
    assert.ok(firewall().includes('tcp . 8080 : 172.18.0.2 . 80'));
  },
);

test('a bridge that was there before is used and left', options, async (t) => {
  const world = new NetworkWorld(t);
  execFileSync('ip', ['-batch', '-'], {
    input: 'link add core0 type bridge\naddr add 172.18.0.1/16 dev core0\nlink set core0 up\n',
  });
  const network = world.network();
  const before = leftovers(world.settings);
  await network.prepare(1, DEFAULT);
  await network.release(1);
  assert.deepEqual(leftovers(world.settings), before);
});

test('prepare() fails and leaves nothing when the network is in use', options, async (t) => {
  const world = new NetworkWorld(t);
  execFileSync('ip', ['-batch', '-'], {
    input: 'link add other type bridge\naddr add 172.18.7.1/24 dev other\nlink set other up\n',
  });
  const before = leftovers(world.settings);
  await assert.rejects(world.network().prepare(1, DEFAULT), (error) => {
    assert.ok(isG8Error(error, 'ERR_CONFIG'), String(error));
    return error.message === 'Network 172.18.0.0/16 is in use by other; choose another one';
  });
  assert.deepEqual(leftovers(world.settings), before);
});

test('a container without nics has its loopback interface and nothing else', options, async (t) => {
  const world = new NetworkWorld(t);
  const network = world.network();
  const made = await network.prepare(1, NOTHING);
  assert.deepEqual(made.addresses, []);
  await world.serve(80, 'g8ufs-1');
  assert.equal(await world.call('g8ufs-1', '127.0.0.1', 80), 'from 127.0.0.1');
  assert.equal(await world.call('g8ufs-1', '192.0.2.1', 80), 'ENETUNREACH');
  assert.deepEqual(interfaceNames(), ['lo']);
  assert.equal(firewall(), '');
});

test('nics come and go while a container runs', options, async (t) => {
  const world = new NetworkWorld(t);
  execFileSync('ip', ['-batch', '-'], {
    input: 'link add br0 type bridge\naddr add 10.1.0.1/24 dev br0\nlink set br0 up\n',
  });
  const network = world.network();
  await network.prepare(1, NOTHING);
  const [bridged, own] = nics(
    { type: 'bridge', id: 'br0', config: { cidr: '10.1.0.5/24', dns: ['10.1.0.1'] } },
    { type: 'default', name: 'net0' },
  );
  assert.deepEqual(await network.addNic(1, bridged!), ['10.1.0.1']);
  await world.serve(80, 'g8ufs-1');
  assert.equal(await world.call(undefined, '10.1.0.5', 80), 'from 10.1.0.1');
  await network.addNic(1, own!);
  assert.equal(await world.call(undefined, '172.18.0.2', 80), 'from 172.18.0.1');
  await assert.rejects(network.addNic(1, bridged!), (error) => isG8Error(error, 'ERR_USAGE'));
  await network.removeNic(1, 0);
  await assert.rejects(network.removeNic(1, 0), (error) => isG8Error(error, 'ERR_CONFIG'));
  await assert.rejects(network.removeNic(1, 7), (error) => isG8Error(error, 'ERR_USAGE'));
  await assert.rejects(network.addNic(9, own!), (error) => isG8Error(error, 'ERR_NO_INPUT'));
  assert.deepEqual(
    (await network.nicsOf(1)).map(({ type, state }) => [type, state]),
    [
      ['bridge', 'destroyed'],
      ['default', 'configured'],
    ],
  );
  await network.release(1);
  assert.deepEqual(interfaceNames().sort(), ['br0', 'lo']);
});

test('macvlan nics have a parent and an address of their own', options, async (t) => {
  const world = new NetworkWorld(t);
  world.addWorld();
  const network = world.network();
  await network.prepare(1, {
    nics: nics({
      ...{ type: 'macvlan', id: 'out0', hwaddr: '52:54:00:12:34:56' },
      config: { cidr: '192.0.2.9/24', gateway: WORLD_ADDRESS },
    }),
    forwards: {},
  });
  await world.serve(80, 'world');
  assert.equal(await world.call('g8ufs-1', WORLD_ADDRESS, 80), 'from 192.0.2.9');
  await network.release(1);
  const missing = { nics: nics({ type: 'macvlan', id: 'nowhere' }), forwards: {} };
  await assert.rejects(network.prepare(2, missing), (error) => isG8Error(error, 'ERR_IO'));
});

test('a nic that cannot be configured is in error, and the others are not', options, async (t) => {
  const world = new NetworkWorld(t);
  execFileSync('ip', ['link', 'add', 'br0', 'type', 'bridge']);
  const network = world.network();
  const unreachable = { cidr: '10.1.0.5/24', gateway: '10.9.0.1' };
  await network.prepare(1, {
    nics: nics({ type: 'bridge', id: 'br0', config: unreachable }, { type: 'default' }),
    forwards: {},
  });
  assert.deepEqual(
    (await network.nicsOf(1)).map(({ state }) => state),
    ['error', 'configured'],
  );
});

test('a bridge with dnsmasq gives leases, to known hosts always the same', options, async (t) => {
  const world = new NetworkWorld(t);
  world.addWorld();
  let gotServers: (value: unknown) => void = () => {};
  const servers = new Promise((resolve) => {
    gotServers = resolve;
  });
  const network = world.network();
  network.onNameServers = (container, list) => gotServers([container, list]);
  const bridges = new NamedBridges(network);
  await bridges.create({ ...BRIDGE, name: 'br0', mode: 'dnsmasq', nat: true });
  await bridges.addHost('br0', '10.1.0.77', '52:54:00:12:34:56');
  assert.deepEqual(await bridges.list(), ['br0']);
  const nic = { type: 'bridge', id: 'br0', hwaddr: '52:54:00:12:34:56', config: { dhcp: true } };
  await network.prepare(1, { nics: nics(nic), forwards: {} });
  assert.deepEqual(await servers, [1, ['10.1.0.1']]);
  assert.equal((await network.nicsOf(1))[0]?.state, 'configured');
  await world.serve(80, 'world');
  assert.equal(await world.call('g8ufs-1', WORLD_ADDRESS, 80), `from ${HOST_ADDRESS}`);
  await world.serve(80, 'g8ufs-1');
  assert.equal(await world.call(undefined, '10.1.0.77', 80), 'from 10.1.0.1');
  assert.deepEqual(await bridges.listNics('br0'), ['cont1-0']);
  await network.release(1);
  await bridges.delete('br0');
  await assert.rejects(bridges.delete('br0'), (error) => isG8Error(error, 'ERR_NO_INPUT'));
  assert.deepEqual(interfaceNames().sort(), ['lo', 'out0']);
  assert.equal(firewall(), '');
});

test(
  'a nic that asks for a lease in vain ends in error, and release() does not wait for it',
  options,
  async (t) => {
    const world = new NetworkWorld(t);
    execFileSync('ip', ['-batch', '-'], { input: 'link add br0 type bridge\nlink set br0 up\n' });
    const network = world.network();
    const nic = { type: 'bridge', id: 'br0', config: { dhcp: true } };
    await network.prepare(1, { nics: nics(nic), forwards: {} });
    assert.equal((await network.nicsOf(1))[0]?.state, 'unknown');
    const started = performance.now();
    await network.release(1);
    assert.ok(performance.now() - started < 10_000);
    assert.deepEqual(await network.nicsOf(1), []);
  },
);

test('containers on different bridges do not see each other', options, async (t) => {
  const world = new NetworkWorld(t);
  const network = world.network();
  const bridges = new NamedBridges(network);
  await bridges.create({ ...BRIDGE, name: 'br1', mode: 'static', nat: true, cidr: '10.1.0.1/24' });
  await bridges.create({ ...BRIDGE, name: 'br2', mode: 'static', cidr: '10.2.0.1/24' });
  const on = (id: string, net: string) => ({
    nics: nics({ type: 'bridge', id, config: { cidr: `${net}.5/24`, gateway: `${net}.1` } }),
    forwards: {},
  });
  await Promise.all([
    network.prepare(1, on('br1', '10.1.0')),
    network.prepare(2, on('br2', '10.2.0')),
    network.prepare(3, DEFAULT),
  ]);
  for (const id of [1, 2, 3]) await world.serve(80, `g8ufs-${id}`);
  const silent = [
    world.call('g8ufs-1', '10.2.0.5', 80, 500),
    world.call('g8ufs-1', '172.18.0.4', 80, 500),
    world.call('g8ufs-2', '10.1.0.5', 80, 500),
    world.call('g8ufs-2', '172.18.0.4', 80, 500),
    world.call('g8ufs-3', '10.1.0.5', 80, 500),
    world.call('g8ufs-3', '10.2.0.5', 80, 500),
  ];
  assert.deepEqual(await Promise.all(silent), Array(6).fill('silence'));
  assert.equal(await world.call(undefined, '10.2.0.5', 80), 'from 10.2.0.1');
  await assert.rejects(
    bridges.create({ ...BRIDGE, name: 'br3', mode: 'static', cidr: '10.2.0.9/16' }),
    (error) => isG8Error(error, 'ERR_CONFIG'),
  );
});

test('NamedBridges refuse what cannot be', options, async (t) => {
  const bridges = new NamedBridges(new NetworkWorld(t).network());
  for (const wrong of [
    { name: 'core0' },
    { name: 'a b' },
    { hwaddr: '01:02' },
    { mode: 'none', nat: true } as const,
    { mode: 'static', cidr: 'x' } as const,
    { mode: 'dnsmasq', start: '10.9.0.1' } as const,
  ]) {
    const isRefused = (error: unknown): boolean => isG8Error(error, 'ERR_USAGE');
    await assert.rejects(bridges.create({ ...BRIDGE, ...wrong }), isRefused, JSON.stringify(wrong));
  }
  const isUnknown = (error: unknown): boolean => isG8Error(error, 'ERR_NO_INPUT');
  await assert.rejects(bridges.addNic('br0', 'lo'), isUnknown);
  await assert.rejects(bridges.removeNic('nowhere'), isUnknown);
  await assert.rejects(bridges.addHost('br0', '10.1.0.9', '52:54:00:12:34:56'), isUnknown);
});

test('OpenPorts change one chain of the host, and only when told which', options, async (t) => {
  const input =
    'table inet filter {\n chain input {\n type filter hook input priority 0\n tcp dport 9 drop\n}\n}\n';
  execFileSync('nft', ['-f', '-'], { input });
  t.after(() => execFileSync('nft', ['delete', 'table', 'inet', 'filter']));
  const before = firewall();
  const ports = new OpenPorts('inet filter input');
  const some = { port: 22, interface: 'zt0', subnet: '10.0.0.9/8' };
  await ports.open({ ...some, interface: '', subnet: '' });
  await ports.open(some);
  await assert.rejects(ports.open(some), (error) => isG8Error(error, 'ERR_USAGE'));
  assert.equal(await ports.has(some), true);
  assert.deepEqual((await ports.list()).sort(), [
    'iifname "zt0" ip saddr 10.0.0.0/8 tcp dport 22 accept',
    'tcp dport 22 accept',
  ]);
  await ports.drop(some);
  await ports.drop({ ...some, interface: '', subnet: '' });
  await assert.rejects(ports.drop(some), (error) => isG8Error(error, 'ERR_NO_INPUT'));
  assert.equal(firewall(), before);
  await assert.rejects(new OpenPorts('').open(some), (error) => isG8Error(error, 'ERR_CONFIG'));
  assert.equal(await new OpenPorts('').has(some), false);
});

test('ReservedPorts promises a port once until its time is up', options, async (t) => {
  const world = new NetworkWorld(t);
  const network = world.network();
  await network.prepare(1, { ...DEFAULT, forwards: { '1025': 80 } });
  await world.serve(1026);
  let now = 0;
  const ports = new ReservedPorts(() => now);
  const record = await network.records.read();
  assert.deepEqual(await ports.reserve(2, record), [1024, 1027]);
  now = 60_000;
  assert.deepEqual(await ports.reserve(1, record), [1028]);
  now = 120_000;
  assert.deepEqual(await ports.reserve(3, record), [1024, 1027, 1029]);
  await assert.rejects(ports.reserve(0, record), (error) => isG8Error(error, 'ERR_USAGE'));
});
