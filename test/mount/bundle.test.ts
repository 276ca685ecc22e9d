/** A bundle is mounted without any store, shows the whole tree, and never anything wrong. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { differences, MountWorld, run } from '../support/mount-world.ts';

const TORTURE = fileURLToPath(new URL('../../../../test/support/torture-tree.sh', import.meta.url));

test('mount shows everything of a bundle when its hub is gone', async (context) => {
  const world = new MountWorld(context);
  const source = world.path('source');
  const made = await run('bash', TORTURE, source, '500', '64');
  assert.equal(made.code, 0, made.stderr);
  await world.startHub();
  const flist = await world.create(source);
  await world.json('flist', 'keygen', world.path('k'));
  await world.json('flist', 'sign', flist, '--key', world.path('k.key'));
  const bundle = world.path('image.bundle');
  await world.json('flist', 'bundle', flist, bundle);
  await world.stopHub();

  const mnt = await world.mount(bundle, '--require-signature', world.path('k.pub'));

  assert.deepEqual(await differences(source, mnt), []);
  await world.unmount(mnt);
});

test('mount of a bundle with changed chunks fails reads and shows no wrong byte', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  const text = `${'line of text\n'.repeat(3)}the end`;
  writeFileSync(join(source, 'file'), text);
  const store = `dir://${world.path('chunks')}`;
  const flist = world.path('image.flist');
  await world.json('flist', 'create', source, flist, '--store', store);
  const bundle = world.path('image.bundle');
  await world.json('flist', 'bundle', flist, bundle, '--store', store);
  const bytes = readFileSync(bundle);
  const at = bytes.indexOf('the end');
  assert.ok(at > 0, 'a small chunk is stored as it is');
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(bundle, bytes);

  const mnt = await world.mount(bundle, '--deadline', '5s');
  const read = await run('cat', join(mnt, 'file'));

  assert.equal(read.code, 1);
  assert.equal(read.stdout, '');
  await world.unmount(mnt);
});
