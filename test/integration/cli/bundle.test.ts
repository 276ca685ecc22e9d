/** `flist bundle` and `unbundle` as their users see them, and bundles that are not what they were. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function world(context: TestContext) {
  const dir = temporaryDirectory(context);
  const path = (name: string) => join(dir, name);
  mkdirSync(path('source/folder'), { recursive: true });
  writeFileSync(path('source/one'), 'the first file');
  writeFileSync(path('source/folder/two'), 'the second file');
  const store = `dir://${path('chunks')}`;
  const ok = async (...args: string[]): Promise<Record<string, unknown>> => {
    const result = await runCli([...args, '--json']);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result.stdout === '' ? {} : JSON.parse(result.stdout);
  };
  const flist = path('image.flist');
  await ok('flist', 'create', path('source'), flist, '--store', store);
  const bundle = path('image.bundle');
  await ok('flist', 'bundle', flist, bundle, '--store', store);
  return { dir, path, store, flist, bundle, ok };
}

test('flist bundle makes a tar with the flist as it was and a chunk store', async (context) => {
  const { path, flist, bundle, ok, store } = await world(context);
  mkdirSync(path('unpacked'));
  execFileSync('tar', ['-xf', bundle, '-C', path('unpacked')]);

  assert.deepEqual(readFileSync(path('unpacked/image.flist')), readFileSync(flist));
  const info = JSON.parse(readFileSync(path('unpacked/bundle.json'), 'utf8'));
  assert.deepEqual([info.chunks, info.absentChunks], [2, 0]);
  await ok('flist', 'verify', flist, '--data', '--store', `dir://${path('unpacked/chunks')}`);
  await ok('flist', 'bundle', flist, path('again.bundle'), '--store', store);
  assert.deepEqual(readFileSync(path('again.bundle')), readFileSync(bundle));
  await ok('flist', 'bundle', bundle, path('copy.bundle'));
  assert.deepEqual(readFileSync(path('copy.bundle')), readFileSync(bundle));
});

test('commands take a bundle where they take a flist, without any store', async (context) => {
  const { path, bundle, ok } = await world(context);
  const cat = await runCli(['flist', 'cat', bundle, '/folder/two']);
  assert.equal(cat.stdout, 'the second file');
  await ok('flist', 'verify', bundle, '--data', '--against', path('source'));
  await ok('flist', 'export', bundle, path('exported'));
  assert.equal(readFileSync(path('exported/one'), 'utf8'), 'the first file');
  await ok('flist', 'create', bundle, path('new.flist'), '--store', `dir://${path('more')}`);
});

test('a bundle is a store for other flists', async (context) => {
  const { flist, bundle } = await world(context);
  for (const url of [`bundle://${bundle}`, bundle]) {
    const cat = await runCli(['flist', 'cat', flist, '/one', '--store', url]);
    assert.equal(cat.stdout, 'the first file', cat.stderr);
  }
  const create = ['flist', 'create', '/dev/null', '/dev/null', '--store', `bundle://${bundle}`];
  assert.equal((await runCli(create)).code, 78);
});

test('flist bundle takes a part, and leaves out what a base has', async (context) => {
  const { path, store, flist, bundle, ok } = await world(context);
  const part = await ok(
    ...['flist', 'bundle', flist, path('part.bundle'), '--path', '/folder', '--store', store],
  );
  assert.deepEqual([part['chunks'], part['absentChunks']], [1, 1]);
  assert.equal((await runCli(['flist', 'cat', path('part.bundle'), '/folder/two'])).code, 0);
  const absent = await runCli(['flist', 'cat', path('part.bundle'), '/one']);
  assert.equal(absent.code, 69);
  assert.match(absent.stderr, /is not in/);

  writeFileSync(path('source/three'), 'the third file');
  await ok('flist', 'create', path('source'), path('new.flist'), '--store', store);
  for (const base of [flist, bundle]) {
    const update = path('update.bundle');
    const made = await ok(
      ...['flist', 'bundle', path('new.flist'), update, '--base', base, '--store', store],
    );
    assert.deepEqual([made['chunks'], made['absentChunks']], [1, 2]);
    await ok('flist', 'verify', update, '--data', '--store', `bundle://${bundle}`);
  }
});

test('flist unbundle brings only chunks that a store lacks', async (context) => {
  const { path, flist, bundle, ok } = await world(context);
  const target = `dir://${path('target')}`;
  const first = await ok('flist', 'unbundle', bundle, path('out.flist'), '--store', target);
  assert.deepEqual([first['chunks'], first['newChunks']], [2, 2]);
  const second = await ok('flist', 'unbundle', bundle, path('out.flist'), '--store', target);
  assert.deepEqual([second['chunks'], second['newChunks']], [2, 0]);
  assert.deepEqual(readFileSync(path('out.flist')), readFileSync(flist));
  await ok('flist', 'verify', path('out.flist'), '--data', '--store', target);
});

test('flist bundle leaves nothing behind when a chunk is missing', async (context) => {
  const { path, flist } = await world(context);
  mkdirSync(path('place'));
  mkdirSync(path('empty'));
  const output = path('place/x.bundle');
  const args = ['flist', 'bundle', flist, output, '--store', `dir://${path('empty')}`];
  const result = await runCli(args);
  assert.equal(result.code, 69);
  assert.deepEqual(readdirSync(path('place')), []);
});

test('a bundle that was cut is refused', async (context) => {
  const { path, bundle } = await world(context);
  const sound = readFileSync(bundle);
  for (const size of [520, 640, 700, 2048, sound.length - 1024, sound.length - 1]) {
    writeFileSync(path('cut.bundle'), sound.subarray(0, size));
    const result = await runCli(['flist', 'ls', path('cut.bundle')]);
    assert.equal(result.code, 65, `${size} bytes: ${result.stderr}`);
  }
});
