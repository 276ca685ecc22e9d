/** `flist verify`, `sign` and `keygen` as their users see them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

interface World {
  readonly dir: string;
  readonly source: string;
  readonly flist: string;
  readonly store: string;
  run(...args: string[]): ReturnType<typeof runCli>;
}

async function world(context: TestContext): Promise<World> {
  const dir = temporaryDirectory(context);
  const source = join(dir, 'source');
  mkdirSync(join(source, 'folder'), { recursive: true });
  writeFileSync(join(source, 'one'), 'one file');
  writeFileSync(join(source, 'folder/two'), 'x'.repeat(9000));
  const store = `dir://${join(dir, 'chunks')}`;
  const flist = join(dir, 'image.flist');
  const run = (...args: string[]) => runCli(args);
  const flags = ['--store', store, '--block-size', '4KiB', '--compress', 'none'];
  assert.equal((await run('flist', 'create', source, flist, ...flags)).code, 0);
  return { dir, source, flist, store, run };
}

function chunkFiles({ dir }: World): string[] {
  const root = join(dir, 'chunks');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile());
}

test('flist verify finds nothing wrong with a flist that was just made', async (context) => {
  const { flist, source, store, run } = await world(context);

  const result = await run(
    ...['flist', 'verify', flist, '--chunks', '--data', '--against', source, '--store', store],
  );

  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /: sound, 4 inodes, 3 chunks, 4\.8 KiB of data\n$/);
});

test('flist verify names chunks that are missing and corrupt, and the files they are of', async (context) => {
  const here = await world(context);
  const [first, second] = chunkFiles(here) as [string, string];
  rmSync(first);
  writeFileSync(second, 'not what it was');
  const flags = ['flist', 'verify', here.flist, '--store', here.store, '--json'];

  const presence = JSON.parse((await here.run(...flags, '--chunks')).stdout);
  assert.equal(presence.findingCount, 1);
  assert.deepEqual(presence.stores, [{ store: here.store, missing: 1 }]);
  const data = await here.run(...flags, '--data');
  assert.equal(data.code, 1);
  const { findings, sound } = JSON.parse(data.stdout);
  assert.equal(sound, false);
  assert.equal(findings.length, 2);
  for (const { kind, path, chunk } of findings) {
    assert.equal(kind, 'chunk');
    assert.match(path, /^\/(one|folder\/two)$/);
    assert.match(chunk, /^[0-9a-f]{64}$/);
  }
});

test('flist verify names what differs from a folder', async (context) => {
  const { source, flist, run } = await world(context);
  chmodSync(join(source, 'one'), 0o600);
  writeFileSync(join(source, 'folder/two'), 'y'.repeat(9000));
  writeFileSync(join(source, 'new'), '');

  const result = await run('flist', 'verify', flist, '--against', source);

  assert.equal(result.code, 1);
  assert.match(result.stdout, /^difference \/: differs: time$/m);
  assert.match(result.stdout, /^difference \/folder\/two: differs: time, content$/m);
  assert.match(result.stdout, /^difference \/new: is not in the image$/m);
  assert.match(result.stdout, /^difference \/one: differs: mode$/m);
  assert.match(result.stdout, /: 4 findings, 4 inodes\n$/);
});

test('flist verify sees every byte that was changed in a flist', async (context) => {
  const { dir, flist, run } = await world(context);
  const sound = readFileSync(flist);
  // In the name of a file: as the mount index has it, then as the records do.
  const places: number[] = [];
  for (let at = sound.indexOf('two'); at >= 0; at = sound.indexOf('two', at + 1)) places.push(at);
  assert.ok(places.length >= 2);
  for (const at of places) {
    const changed = Buffer.from(sound);
    changed.write('tWo', at);
    const path = join(dir, 'changed.flist');
    writeFileSync(path, changed);
    const result = await run('flist', 'verify', path);
    assert.equal(result.code, 1, `byte ${at}: ${result.stdout}`);
    assert.match(result.stdout, /^(records|index) /);
  }
  for (const size of [0, 100, sound.length >> 1]) {
    const path = join(dir, 'cut.flist');
    writeFileSync(path, sound.subarray(0, size));
    const result = await run('flist', 'verify', path);
    assert.equal(result.code, 1, `${size} bytes`);
    assert.match(result.stdout, /^(package|records) /);
  }
});

test('flist sign and verify agree on who made an image', async (context) => {
  const { dir, flist, run } = await world(context);
  const [mine, theirs] = [join(dir, 'mine'), join(dir, 'theirs')];
  const made = await run('flist', 'keygen', mine);
  assert.equal(made.code, 0, made.stderr);
  assert.equal((await run('flist', 'keygen', theirs)).code, 0);
  assert.equal(statSync(`${mine}.key`).mode & 0o777, 0o600);
  assert.ok(!made.stdout.includes(readFileSync(`${mine}.key`, 'utf8').split('\n')[1] as string));

  const verify = (key: string) => run('flist', 'verify', flist, '--key', `${key}.pub`);
  assert.equal((await verify(mine)).code, 1);
  assert.equal((await run('flist', 'sign', flist, '--key', `${mine}.key`)).code, 0);
  assert.equal((await verify(mine)).code, 0);
  assert.match((await verify(theirs)).stdout, /^signature .*signed by none of the wanted keys/);
  assert.equal((await run('flist', 'sign', flist, '--key', `${theirs}.key`)).code, 0);
  assert.deepEqual([(await verify(mine)).code, (await verify(theirs)).code], [0, 0]);
  // Signing again replaces.
  const before = readFileSync(`${flist}.sig`, 'utf8');
  assert.equal((await run('flist', 'sign', flist, '--key', `${mine}.key`)).code, 0);
  assert.equal(readFileSync(`${flist}.sig`, 'utf8').length, before.length);
});

test('flist keygen replaces no key, and sign takes none that others can read', async (context) => {
  const { dir, flist, run } = await world(context);
  const name = join(dir, 'k');
  assert.equal((await run('flist', 'keygen', name)).code, 0);
  const key = readFileSync(`${name}.key`);
  assert.equal((await run('flist', 'keygen', name)).code, 73);
  assert.deepEqual(readFileSync(`${name}.key`), key);
  chmodSync(`${name}.key`, 0o640);

  const signed = await run('flist', 'sign', flist, '--key', `${name}.key`);

  assert.equal(signed.code, 77);
  assert.match(signed.stderr, /^g8ufs: Others may read the secret key .*\n$/);
  assert.throws(() => statSync(`${flist}.sig`), { code: 'ENOENT' });
});

test('a flist of another compression keeps its signature', async (context) => {
  const { dir, source, store, flist, run } = await world(context);
  const again = join(dir, 'again.flist');
  const flags = ['--store', store, '--block-size', '4KiB'];
  assert.equal((await run('flist', 'create', source, again, ...flags)).code, 0);
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  assert.notEqual(digest(readFileSync(again)), digest(readFileSync(flist)));
  assert.equal(gunzipSync(readFileSync(again)).length, readFileSync(flist).length);
  const name = join(dir, 'k');
  await run('flist', 'keygen', name);
  await run('flist', 'sign', flist, '--key', `${name}.key`);

  const result = await run(
    ...['flist', 'verify', again, '--key', `${name}.pub`, '--signature', `${flist}.sig`],
  );

  assert.equal(result.code, 0, result.stdout);
});
