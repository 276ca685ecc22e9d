/** A hub that goes away while containers are made, and while they run. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Containers } from '../../src/core/container/containers.ts';
import { ContainerWorld, NOTHING } from '../support/container-world.ts';

const options = { skip: process.getuid?.() === 0 ? false : 'containers need root' };
const DEADLINE_MS = 1_500;

interface HubWorld {
  readonly world: ContainerWorld;
  readonly containers: Containers;
  /** URL of the image on the hub. */
  readonly image: string;
}

/** A system on a hub with a file that nobody reads by accident. */
async function hubWorld(context: TestContext): Promise<HubWorld> {
  const world = new ContainerWorld(context);
  const { mounts } = world;
  const hub = await mounts.startHub();
  const folder = world.system();
  for (const name of ['seen', 'unseen']) writeFileSync(join(folder, name), randomBytes(100_000));
  const flist = await mounts.create(folder);
  await mounts.json('push', flist, `${hub}/test/system`);
  const settings = { ...world.options().mounts, stores: [], deadlineMs: DEADLINE_MS };
  const containers = await world.open({ mounts: settings });
  return { world, containers, image: `${hub}/test/system.flist` };
}

test(
  'when the hub is down, a container is not made and nothing is left; when it is back, it is',
  options,
  async (context) => {
    const { world, containers, image } = await hubWorld(context);
    const port = Number(new URL(image).port);
    await world.mounts.stopHub();
    await assert.rejects(containers.create({ arguments: world.arguments(image) }), {
      code: 'ERR_STORE_UNAVAILABLE',
    });
    assert.deepEqual(world.leftovers(), NOTHING);
    await world.mounts.startHub(port);
    const container = await containers.create({ arguments: world.arguments(image) });
    assert.equal((await world.shell(container, 'cat /etc/motd')).stdout, 'welcome\n');
    await containers.terminate(container.id);
  },
);

test(
  'a container goes on without its hub with what is local, and other reads fail at their deadline',
  options,
  async (context) => {
    const { world, containers, image } = await hubWorld(context);
    const container = await containers.create({ arguments: world.arguments(image) });
    const read = (name: string) => world.shell(container, `cat /${name} | wc -c`);
    assert.equal((await read('seen')).stdout.trim(), '100000');
    await world.mounts.stopHub();
    assert.equal((await read('seen')).stdout.trim(), '100000');
    const { stdout, stderr } = await read('unseen');
    assert.deepEqual([stdout.trim(), /output error/.test(stderr)], ['0', true], stderr);
    // Others are made of it meanwhile, for all that they start with is there.
    const second = await containers.create({ arguments: world.arguments(image) });
    assert.equal((await world.shell(second, 'echo still')).stdout, 'still\n');
    await Promise.all([container, second].map(({ id }) => containers.terminate(id)));
    assert.deepEqual(world.leftovers(), NOTHING);
  },
);
