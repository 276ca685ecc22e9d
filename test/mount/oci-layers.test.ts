/**
 * Layers put together as umoci puts them together: the tree of a flist made of an image is the tree of a flist
 * made of the folder that umoci unpacks it to. Root only: devices and owners.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { Layout, tagged } from '../support/oci/make-layout.ts';
import { run } from '../support/oci/registry.ts';
import { runCli } from '../support/run-cli.ts';
import { paxHeader, TAR_END, tarFile } from '../support/tar-blocks.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { amount } from '../support/thorough.ts';

// Each piece of an archive has a time of its own, so that the tree shows which one won.
let clock = 0;
const time = (): string => `${(1_000_000 + clock++).toString(8).padStart(11, '0')}\0`;
const dir = (name: string, mode = '0000755\0') =>
  tarFile({ name: `${name}/`, type: '5', mode, mtime: time() });
const file = (name: string, data = name) => tarFile({ name, mtime: time() }, data);
const link = (name: string, target: string) =>
  tarFile({ name, type: '1', link: target, mtime: time() });
const symlink = (name: string, target: string) =>
  tarFile({ name, type: '2', link: target, mode: '0000777\0', mtime: time() });
const device = (name: string) =>
  tarFile({ name, type: '3', major: '0000001\0', minor: '0000003\0', mtime: time() });
const fifo = (name: string) => tarFile({ name, type: '6', mtime: time() });
const hidden = (name: string) => {
  const slash = name.lastIndexOf('/') + 1;
  return file(`${name.slice(0, slash)}.wh.${name.slice(slash)}`, '');
};
const opaque = (name: string) => file(`${name}/.wh..wh..opq`, '');
const root = () => dir('.');
const layer = (...parts: Uint8Array[]): Buffer => Buffer.concat([root(), ...parts, TAR_END]);

async function digestOf(source: string, work: string): Promise<string> {
  const args = ['--store', `dir://${join(work, 'chunks')}`, '--json'];
  const result = await runCli(['flist', 'create', source, join(work, 'x.flist'), ...args]);
  assert.deepEqual([result.code, result.stderr], [0, '']);
  return JSON.parse(result.stdout).rootDigest;
}

async function compare(work: string, layers: readonly Uint8Array[]): Promise<void> {
  const layout = new Layout(join(work, 'layout'));
  layout.finish(tagged(layout.image(layers), 'v1'));
  const bundle = join(work, 'bundle');
  await run('umoci', ['unpack', '--image', `${layout.path}:v1`, bundle]);
  const ours = await digestOf(`oci:${layout.path}:v1`, work);
  const theirs = await digestOf(join(bundle, 'rootfs'), work);
  if (ours !== theirs) assert.fail(await difference(work, layout.path, bundle));
}

/** What is different, as listings. */
async function difference(work: string, layout: string, bundle: string): Promise<string> {
  const listings: string[] = [];
  for (const source of [`oci:${layout}:v1`, join(bundle, 'rootfs')]) {
    await digestOf(source, work);
    const list = await runCli(['flist', 'ls', '-lR', join(work, 'x.flist')]);
    listings.push(`${source}\n${list.stdout}`);
  }
  return listings.join('\n');
}

const CASES: Readonly<Record<string, () => Uint8Array[]>> = {
  'files are replaced, added and hidden': () => [
    layer(dir('etc'), file('etc/a'), file('etc/b'), file('etc/c')),
    layer(dir('etc'), file('etc/a', 'new'), hidden('etc/b'), file('etc/d')),
  ],
  'a whiteout hides what is below only, whatever the order': () => [
    layer(dir('d'), file('d/a'), file('d/b')),
    layer(dir('d'), hidden('d/a'), file('d/a', 'new'), file('d/b', 'new'), hidden('d/b')),
  ],
  'a folder is hidden with all that is in it': () => [
    layer(dir('d'), dir('d/e'), file('d/e/f'), file('d/g')),
    layer(hidden('d')),
  ],
  'a folder is hidden and made again': () => [
    layer(dir('d', '0000700\0'), dir('d/e'), file('d/e/f')),
    layer(hidden('d'), dir('d'), file('d/new')),
  ],
  'opaque folders show only their own layer': () => [
    layer(dir('d'), file('d/a'), dir('d/sub'), file('d/sub/x')),
    layer(dir('d'), opaque('d'), file('d/b'), dir('d/sub'), file('d/sub/y')),
  ],
  'types replace each other': () => [
    layer(
      dir('one'),
      file('one/in'),
      file('two'),
      symlink('three', 'two'),
      device('four'),
      fifo('five'),
    ),
    layer(file('one', 'now a file'), dir('two'), file('two/in'), dir('three'), device('five')),
    layer(symlink('one', 'five'), hidden('three'), file('four')),
  ],
  'attributes of a folder change, what is in it stays': () => [
    layer(dir('d', '0000700\0'), file('d/a'), dir('d/e')),
    layer(dir('d', '0001777\0')),
  ],
  'hard links lead to lower layers': () => [
    layer(dir('bin'), file('bin/a', 'shared'), link('bin/b', 'bin/a')),
    layer(dir('bin'), link('bin/c', 'bin/a'), link('bin/d', 'bin/b')),
    layer(hidden('bin/a'), dir('sbin'), link('sbin/e', 'bin/d')),
  ],
  'a replaced file leaves its other names alone': () => [
    layer(file('a', 'old'), link('b', 'a'), link('c', 'a')),
    layer(file('a', 'new'), hidden('c')),
  ],
  'attributes come from the last layer that has the file': () => [
    layer(
      paxHeader([
        ['SCHILY.xattr.user.one', '1'],
        ['SCHILY.xattr.user.two', '2'],
      ]),
      file('a'),
      paxHeader([['SCHILY.xattr.user.dir', 'x']]),
      dir('d'),
    ),
    layer(paxHeader([['SCHILY.xattr.user.three', '3']]), file('a'), dir('d')),
  ],
  'devices, pipes and modes are kept': () => [
    layer(
      dir('dev'),
      device('dev/null'),
      fifo('dev/pipe'),
      tarFile(
        { name: 'su', mode: '0004755\0', uid: '0000012\0', gid: '0000017\0', mtime: time() },
        'x',
      ),
      tarFile({ name: 'b', type: '4', major: '0000010\0', minor: '0000001\0', mtime: time() }),
    ),
  ],
  'empty layers change nothing': () => [layer(file('a')), layer(), TAR_END],
};

for (const [name, make] of Object.entries(CASES)) {
  test(`as umoci: ${name}`, async (t) => {
    await compare(temporaryDirectory(t), make());
  });
}

/** One change of a layer: what, and where in a small world of names. */
const names = fc.constantFrom('a', 'b', 'c', 'd/a', 'd/b', 'd/e/a', 'd/e/b', 'f/a');
const change = fc.oneof(
  fc.record({ kind: fc.constantFrom('file', 'dir', 'symlink', 'hide', 'opaque'), name: names }),
);

type Kind = 'file' | 'dir' | 'symlink' | 'hide' | 'opaque';

/** Layers as tools make them: each name at most once, parents as folders in front. */
function makeLayer(changes: readonly { kind: string; name: string }[]): Buffer {
  const parts = new Map<string, Uint8Array>();
  const isTaken = (name: string) =>
    [...parts.keys()].some((other) => other === name || other.startsWith(`${name}/`));
  for (const { kind, name } of changes) {
    const folders = name.split('/').slice(0, -1);
    const paths = folders.map((_, i) => folders.slice(0, i + 1).join('/'));
    if (isTaken(name) || paths.some((path) => parts.has(path) && !isFolder(parts, path))) continue;
    for (const path of paths) if (!parts.has(path)) parts.set(path, dir(path));
    const make: Record<Kind, () => Uint8Array> = {
      file: () => file(name, `${name} of ${clock}`),
      dir: () => dir(name),
      symlink: () => symlink(name, 'd/e'),
      hide: () => hidden(name),
      opaque: () => Buffer.concat([dir(name), opaque(name)]),
    };
    parts.set(name, make[kind as Kind]());
  }
  return layer(...parts.values());
}

function isFolder(parts: ReadonlyMap<string, Uint8Array>, path: string): boolean {
  return parts.get(path)?.[156] === '5'.charCodeAt(0);
}

test('as umoci: random layers', async (t: TestContext) => {
  const work = temporaryDirectory(t);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(change, { maxLength: 6 }), { minLength: 2, maxLength: 4 }),
      async (layers) => {
        const folder = join(work, `${count++}`);
        execFileSync('mkdir', [folder]);
        await compare(folder, layers.map(makeLayer));
      },
    ),
    { numRuns: amount(8, 25) },
  );
});

test('what is exported unpacks with umoci to the tree that the image had', async (t) => {
  const work = temporaryDirectory(t);
  const layers = CASES['devices, pipes and modes are kept']?.() ?? [];
  const more = CASES['attributes come from the last layer that has the file']?.() ?? [];
  const layout = new Layout(join(work, 'layout'));
  layout.finish(tagged(layout.image([...layers, ...more]), 'v1'));
  const before = await digestOf(`oci:${layout.path}:v1`, work);
  const again = join(work, 'again');
  const store = ['--store', `dir://${join(work, 'chunks')}`];
  const args = ['flist', 'export', join(work, 'x.flist'), `oci:${again}:v1`, ...store];
  const exported = await runCli(args);
  assert.deepEqual([exported.code, exported.stderr], [0, '']);
  const bundle = join(work, 'bundle');
  await run('umoci', ['unpack', '--image', `${again}:v1`, bundle]);
  assert.equal(await digestOf(join(bundle, 'rootfs'), work), before);
});
