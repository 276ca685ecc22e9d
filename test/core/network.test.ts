/** Networks of containers, with real interfaces, rules and name servers, in a network namespace of this file. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { parseNics } from '../../src/core/network/nic.ts';
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
