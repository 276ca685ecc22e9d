/** Nics and forwards of containers that run, by raw commands on a real Redis, in a network of this file. */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Network } from '../../src/core/network/network.ts';
import { NETWORK_DEFAULTS } from '../../src/core/network/settings.ts';
import { createLogger } from '../../src/fs/log.ts';
import { until } from '../support/child-server.ts';
import { ContainerDaemon } from '../support/container-daemon.ts';
import { interfaceNames } from '../support/network-world.ts';
import { NO_OWN_NETWORK } from '../support/own-network.ts';

const options = { skip: NO_OWN_NETWORK };

/** What a server on the host's port sends, or the name of an error. */
async function received(port: number): Promise<string> {
  return await new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (data) => {
      text += data.toString();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

test('nics and port forwards come and go while a container runs', options, async (context) => {
  const daemon = await ContainerDaemon.start(
    context,
    (world) =>
      new Network({
        settings: { ...NETWORK_DEFAULTS, stateDir: join(world.state, 'network') },
        log: createLogger('error'),
        keepBridge: true,
      }),
  );
  const { client } = daemon;
  const code = async (command: string, args: Record<string, unknown>): Promise<number> =>
    (await client.run(command, args)).code;
  const inside = async (id: number, script: string): Promise<string> => {
    const inner = await daemon.dispatch(id, 'bash', { script, stdin: '' });
    return (await client.result(inner)).streams?.[0] ?? '';
  };
  const image = await daemon.world.image();
  const container = await daemon.create(image, {
    nics: [{ type: 'default' }],
    port: { '8080': 80 },
  });
  const script = 'while :; do echo hello | nc -l -p 80; done';
  await daemon.dispatch(container, 'bash', { script, stdin: '' });
  await until('The server', async () => (await received(8080)) === 'hello\n');

  const forward = { container, host_port: '9090', container_port: 80 };
  await client.json('corex.portforward-add', forward);
  await until('The forward', async () => (await received(9090)) === 'hello\n');
  const list = (await client.json('corex.list')) as Record<
    string,
    { container: { arguments: { port: unknown } } }
  >;
  assert.deepEqual(list[container]?.container.arguments.port, { '8080': 80, '9090': 80 });
  assert.deepEqual(await client.json('socat.list'), {
    '8080': { from: '0.0.0.0:8080', to: '172.18.0.2:80' },
    '9090': { from: '0.0.0.0:9090', to: '172.18.0.2:80' },
  });
  assert.equal(await code('corex.portforward-add', forward), 500);
  await client.json('corex.portforward-remove', forward);
  assert.equal(await received(9090), 'ECONNREFUSED');
  assert.equal(await code('corex.portforward-remove', forward), 404);

  const network = { mode: 'static', nat: false, settings: { cidr: '10.1.0.1/24' } };
  await client.json('bridge.create', { name: 'br1', hwaddr: null, network });
  const config = { cidr: '10.1.0.5/24', dns: ['10.1.0.1'] };
  const nic = { type: 'bridge', id: 'br1', config };
  assert.equal(await client.json('corex.nic-add', { container, nic }), null);
  assert.match(await inside(container, 'ip addr show eth1'), /inet 10\.1\.0\.5\/24/);
  assert.match(await inside(container, 'cat /etc/resolv.conf'), /^nameserver 10\.1\.0\.1$/m);
  assert.equal(await code('corex.nic-add', { container, nic }), 400);
  assert.equal(await code('corex.nic-add', { container: 99, nic }), 404);
  assert.equal(await client.json('corex.nic-remove', { container, index: 1 }), null);
  assert.equal(await code('corex.nic-remove', { container, index: 1 }), 412);
  assert.equal(await code('corex.nic-remove', { container, index: 7 }), 400);
  const host = await daemon.create(image, { host_network: true });
  assert.equal(await code('corex.nic-add', { container: host, nic }), 400);

  await client.json('bridge.delete', { name: 'br1' });
  for (const id of [container, host]) await client.json('corex.terminate', { container: id });
  await daemon.stopDaemon();
  assert.deepEqual(interfaceNames(), ['lo']);
});
