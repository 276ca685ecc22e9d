/** Deaths: of a container's first process, of the process that watches over it, of the mount daemon. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { sleep } from '../../src/base/deadline.ts';
import type { Container } from '../../src/core/container/container.ts';
import { unmount } from '../../src/fs/unmount.ts';
import { ContainerWorld, NOTHING } from '../support/container-world.ts';
import { processGone } from '../support/mount-world.ts';

test('a container whose first process is killed is noticed and taken away', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const container = await containers.create({ arguments: world.arguments(await world.image()) });
  process.kill(container.init?.pid as number, 'SIGKILL');
  assert.equal(await container.gone, 'ended');
  assert.deepEqual(containers.list(), []);
  assert.deepEqual(world.leftovers(), NOTHING);
});

/** A process that is being ended still has its number for a moment. */
async function runsAgain(container: Container, before: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (container.init?.pid === before) {
    if (performance.now() > deadline) throw new Error(`Container ${container.id} does not start`);
    await sleep(20);
  }
}

test('a container that is to be started again keeps what it has, as often as it was told', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const args = world.arguments(await world.image(), { restart: 'on-failure:1' });
  const container = await containers.create({ arguments: args });
  assert.equal((await world.shell(container, 'echo kept >/file')).code, 0);
  const first = container.init?.pid as number;
  process.kill(first, 'SIGKILL');
  await runsAgain(container, first);
  const told = await world.shell(container, 'cat /file /etc/motd');
  assert.equal(told.stdout, 'kept\nwelcome\n', told.stderr);
  assert.deepEqual((await world.record(1))?.init, container.init);
  process.kill(container.init?.pid as number, 'SIGKILL');
  assert.equal(await container.gone, 'ended');
  assert.deepEqual(world.leftovers(), NOTHING);
  // While it waits for its next start it can be ended like any other.
  const always = { ...args, restart: 'always' };
  const second = await containers.create({ arguments: always });
  process.kill(second.init?.pid as number, 'SIGKILL');
  await processGone(second.init?.pid as number);
  await containers.terminate(second.id);
  assert.equal(await second.gone, 'terminated');
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('a command that ends is the end of its container', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const order = { arguments: world.arguments(await world.image()), command: ['/bin/true'] };
  const container = await containers.create(order);
  assert.equal(await container.gone, 'ended');
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('a command that uses up the memory ends its container for that reason', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open();
  const container = await containers.create({
    arguments: world.arguments(await world.image()),
    command: ['/bin/sh', '-c', 'exec tail -c 200000000 /dev/zero'],
    limits: { memoryBytes: 16 * 1024 ** 2 },
  });
  assert.equal(await container.gone, 'out-of-memory');
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('containers survive the process that made them, and the next one takes them over', async (context) => {
  const world = new ContainerWorld(context);
  const image = await world.image();
  const maker = world.startMaker(image);
  const [line] = (await once(maker.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  assert.equal(line.toString(), '1\n');
  maker.kill('SIGKILL');
  await once(maker, 'exit');

  const containers = await world.open({ adopt: true });
  const [container] = containers.list();
  assert.equal(container?.id, 1);
  assert.equal(
    (await world.shell(container, 'cat /written; cat /etc/motd')).stdout,
    'before\nwelcome\n',
  );
  assert.equal((await containers.create({ arguments: world.arguments(image) })).id, 2);
  process.kill(container.init?.pid as number, 'SIGKILL');
  assert.equal(await container.gone, 'ended');
  await containers.terminate(2);
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('what a dead process has left of dead containers is cleared away at the next start', async (context) => {
  const world = new ContainerWorld(context);
  const image = await world.image();
  const maker = world.startMaker(image);
  await once(maker.stdout as NodeJS.ReadableStream, 'data');
  maker.kill('SIGKILL');
  await once(maker, 'exit');
  const first = await world.open();
  // Not a daemon: it leaves living ones alone.
  assert.deepEqual(first.list(), []);
  assert.deepEqual(world.leftovers().folders, ['1']);
  const { init } = (await world.record(1)) ?? {};
  process.kill(init?.pid as number, 'SIGKILL');
  await processGone(init?.pid as number);
  // Interrupted half-way: before there was a record, and while it was removed.
  mkdirSync(join(world.state, 'containers/2'));
  mkdirSync(join(world.state, 'containers/.removed-3-4194304-1/layer'), { recursive: true });
  writeFileSync(join(world.state, 'containers/.removed-3-4194304-1/layer/x'), '');
  await world.open();
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('the death of the mount daemon is a pause, and that of its keeper the end of containers', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open({ adopt: true });
  const image = await world.image();
  const container = await containers.create({ arguments: world.arguments(image) });
  await world.mounts.killDaemon();
  assert.equal((await world.shell(container, 'cat /etc/motd')).stdout, 'welcome\n');
  // The connection is lost, the roots are looked at: they are served.
  await world.mounts.daemonUp();
  assert.equal(containers.list().length, 1);
  await world.mounts.killKeeperAndDaemon();
  assert.equal(await container.gone, 'root-lost');
  assert.deepEqual(world.leftovers(), NOTHING);
  // And goes on with a new one.
  assert.equal((await containers.create({ arguments: world.arguments(image) })).id, 2);
  await containers.terminate(2);
  assert.deepEqual(world.leftovers(), NOTHING);
});

test('a root that is unmounted by others ends its container', async (context) => {
  const world = new ContainerWorld(context);
  const containers = await world.open({ adopt: true });
  const container = await containers.create({ arguments: world.arguments(await world.image()) });
  await unmount(container.folder.root, true);
  assert.equal(await container.gone, 'root-lost');
  assert.deepEqual(world.leftovers(), NOTHING);
});
