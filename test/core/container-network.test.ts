/** Networks of containers, from their creation to their end. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { NodeNetwork } from '../../src/core/container/node-network.ts';
import { Network } from '../../src/core/network/network.ts';
import { createLogger } from '../../src/fs/log.ts';
import { ContainerWorld, NOTHING } from '../support/container-world.ts';
import { run } from '../support/mount-world.ts';
import { NO_OWN_NETWORK } from '../support/own-network.ts';

const options = { skip: NO_OWN_NETWORK };

function ownNetwork(world: ContainerWorld): Network {
  const network = new Network({
    settings: {
      stateDir: join(world.state, 'network'),
      bridge: 'core0',
      address: '172.18.0.1/16',
      table: 'g8ufs',
      interfacePrefix: 'cont',
      namespacePrefix: 'g8ufs-',
    },
    log: createLogger('error'),
  });
  world.atEnd(() => network.close());
  return network;
}

test(
  'two containers with default nics reach each other, and nothing of them is left',
  options,
  async (context) => {
    const world = new ContainerWorld(context);
    const network = ownNetwork(world);
    const containers = await world.open({ network: new NodeNetwork(async () => network) });
    const args = world.arguments(await world.image(), { nics: [{ type: 'default' }] });
    const [one, other] = await Promise.all([
      containers.create({ arguments: args }),
      containers.create({ arguments: args }),
    ]);
    const address = async (container: typeof one): Promise<string> => {
      const { stdout } = await world.shell(container, 'ip -4 addr show eth0');
      return /inet ([\d.]+)/.exec(stdout)?.[1] ?? stdout;
    };
    const [first, second] = [await address(one), await address(other)];
    assert.notEqual(first, second);
    assert.equal(one.record.arguments.nics[0]?.state, 'configured');
    const ping = await world.shell(one, `ping -c 1 -W 5 ${second}`);
    assert.equal(ping.code, 0, ping.stdout + ping.stderr);
    const hosts = await world.shell(one, 'cat /etc/hosts /etc/resolv.conf');
    assert.match(hosts.stdout, new RegExp(`^${first.replaceAll('.', '\\.')} core-${one.id}$`, 'm'));
    assert.match(hosts.stdout, /^nameserver \d/m);
    await Promise.all([containers.terminate(1), containers.terminate(2)]);
    assert.deepEqual(world.leftovers(), NOTHING);
    const namespaces = await run('ip', 'netns', 'list');
    assert.equal(namespaces.stdout, '');
    const links = await run('ip', '-o', 'link');
    assert.ok(!links.stdout.includes(network.settings.interfacePrefix), links.stdout);
  },
);
