/**
 * Recipes of Debian packages: the same image each time, programs that run in a mount of it, and an end
 * without leftovers. Needs a Debian mirror, root, mmdebstrap.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { MountWorld, run } from '../support/mount-world.ts';
import { startCli } from '../support/run-cli.ts';
import { amount } from '../support/thorough.ts';

const RECIPES = fileURLToPath(new URL('../../../../flists/', import.meta.url));

interface Summary {
  readonly rootDigest: string;
}

// A minute each for the packages of redis: that twice is the same shows with those of busybox, too.
for (const [name, times, command, expected] of [
  ['busybox', 2, ['/bin/sh', '-c', 'echo $((6 * 7))'], /^42\n$/],
  ['redis', amount(1, 2), ['/usr/bin/redis-server', '--version'], /^Redis server v=\d/],
] as const) {
  test(`flist build of ${name} gives the same flist each time, and its program runs`, async (t) => {
    const world = new MountWorld(t);
    const store = `dir://${world.folder('chunks')}`;
    const recipe = `${RECIPES}${name}.yaml`;
    const flist = world.path('image.flist');
    const build = (path: string) =>
      world.json<Summary>('flist', 'build', recipe, path, '--store', store);
    const { rootDigest } = await build(flist);
    for (let time = 1; time < times; time++) {
      const again = world.path('again.flist');
      assert.equal((await build(again)).rootDigest, rootDigest);
      assert.deepEqual(readFileSync(again), readFileSync(flist));
    }

    const mnt = await world.mount(flist, '--store', store);
    const { stdout, stderr } = await run('chroot', mnt, ...command);
    assert.match(stdout, expected, stderr);
    await world.unmount(mnt);
  });
}

/** A recipe whose packages come from a place of the test. */
function recipeFile(world: MountWorld, mirror: string): string {
  const path = world.path('recipe.yaml');
  const debian = `{suite: bookworm, variant: extract, packages: [busybox-static], mirrors: ['${mirror}']}`;
  writeFileSync(path, `debian: ${debian}\n`);
  return path;
}

test('flist build says in a line that a mirror does not answer', async (t) => {
  const world = new MountWorld(t);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const recipe = recipeFile(world, `http://127.0.0.1:${port}/debian`);
  const store = `dir://${world.folder('chunks')}`;
  const { code, stderr } = await world.cli(
    'flist',
    'build',
    recipe,
    world.path('a.flist'),
    '--store',
    store,
  );
  assert.match(stderr, /^g8ufs: The Debian mirror does not answer: .*\(ERR_STORE_UNAVAILABLE\)\n$/);
  assert.equal(code, 69);
  assert.deepEqual(readdirSync(world.dir).sort(), ['chunks', 'recipe.yaml']);
});

test('flist build leaves no process and no file behind when interrupted', async (t) => {
  const world = new MountWorld(t);
  // Takes connections and never answers.
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const recipe = recipeFile(world, `http://127.0.0.1:${port}/debian`);
  const store = `dir://${world.folder('chunks')}`;
  const child = startCli(['flist', 'build', recipe, world.path('a.flist'), '--store', store], {
    TMPDIR: world.folder('tmp'),
  });
  const [connection] = await once(server, 'connection');
  const closed = once(connection, 'close');
  connection.on('error', () => {}).resume();
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [130, null]);
  await closed;
  assert.deepEqual(readdirSync(world.path('tmp')), []);
});
