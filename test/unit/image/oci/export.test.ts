/** Images written as layouts: read again by this project and by others. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { isG8Error } from '../../../../src/base/errors.ts';
import { parsePlatform } from '../../../../src/format/oci/platform.ts';
import { type ExportOciOptions, exportOci } from '../../../../src/image/oci/export.ts';
import { FolderFiles } from '../../../../src/image/oci/image-files.ts';
import { openLayoutImage } from '../../../../src/image/oci/layout.ts';
import { gunzip } from '../../../support/oci/gunzip.ts';
import { run } from '../../../support/oci/registry.ts';
import { pieces, TAR_END, tarFile } from '../../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const DATA = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251));
const TAR = Buffer.concat([
  tarFile({ name: './', type: '5', mode: '0000755\0' }),
  tarFile({ name: 'hello' }, 'hello\n'),
  tarFile({ name: 'data' }, DATA),
  TAR_END,
]);
const METADATA = new Map([
  ['entrypoint', '["/init","-v"]'],
  ['cmd', '["-v"]'],
  ['environ', '{"PATH":"/bin"}'],
  ['platform', 'linux/arm64'],
  ['labels', '{"a":"b"}'],
]);
// What is compressed is of no interest here: plain frames of zstd are made by the addon.
const codec = { zstdCompress: async (bytes: Uint8Array) => bytes };

const write = (path: string, options: Partial<ExportOciOptions> = {}, tar = TAR) =>
  exportOci(pieces(tar, 70_000), { path, tag: 'v1', metadata: METADATA, codec, ...options });

async function layer(path: string, tag = 'v1') {
  const choice = { platform: parsePlatform('linux/arm64'), isExplicit: false };
  const files = new FolderFiles(path);
  const image = await openLayoutImage(files, tag, { choice, decompress: gunzip });
  const all: Uint8Array[] = [];
  const { signal } = new AbortController();
  for await (const piece of image.layers[0]?.open({ signal, onPosition: () => {} }) ?? []) {
    all.push(piece);
  }
  return { config: image.config, tar: Buffer.concat(all) };
}

function allFiles(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length), readFileSync(path, 'hex')];
    }),
  );
}

const target = (t: TestContext): string => join(temporaryDirectory(t), 'layout');

test('an exported image is read again as it was, and always has the same bytes', async (t) => {
  const path = target(t);
  await write(path);
  const { config, tar } = await layer(path);
  assert.deepEqual(tar, TAR);
  assert.deepEqual(config.run.entrypoint, ['/init']);
  assert.deepEqual(config.run.cmd, ['-v']);
  assert.equal(config.platform.architecture, 'arm64');
  const again = target(t);
  await exportOci(pieces(TAR, 1000), { path: again, tag: 'v1', metadata: METADATA, codec });
  assert.deepEqual(allFiles(again), allFiles(path));
  assert.deepEqual(readdirSync(join(path, 'blobs')), ['sha256']);
});

test('umoci and skopeo take an exported image', async (t) => {
  const path = target(t);
  await write(path, { platform: 'linux/amd64' });
  const bundle = join(temporaryDirectory(t), 'bundle');
  await run('umoci', ['unpack', '--image', `${path}:v1`, bundle]);
  assert.deepEqual(readFileSync(join(bundle, 'rootfs/data')), DATA);
  const runtime = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  assert.deepEqual(runtime.process.args, ['/init', '-v']);
  const inspected = JSON.parse(await run('skopeo', ['inspect', `oci:${path}:v1`]));
  assert.deepEqual([inspected.Labels, inspected.Architecture], [{ a: 'b' }, 'amd64']);
});

test('a layer is gzip with nothing of this machine in it, or plain', async (t) => {
  const path = target(t);
  await write(path);
  const blobs = Object.values(allFiles(path)).map((hex) => Buffer.from(hex, 'hex'));
  const packed = blobs.find((bytes) => bytes[0] === 0x1f);
  assert.deepEqual(packed?.subarray(0, 10).toString('hex'), '1f8b08000000000000ff');
  assert.deepEqual(gunzipSync(packed as Buffer), TAR);
  const plain = target(t);
  const { layerSize, layerPlainSize } = await write(plain, { compression: 'none' });
  assert.deepEqual([layerSize, layerPlainSize], [TAR.length, TAR.length]);
  assert.deepEqual((await layer(plain)).tar, TAR);
});

test('zstd layers are frames in order', async (t) => {
  const path = target(t);
  const big = Buffer.alloc(9_000_000, 'abc');
  const sizes: number[] = [];
  const frames = {
    zstdCompress: async (bytes: Uint8Array) => {
      sizes.push(bytes.length);
      // The first takes longest: order is not that of their ends.
      for (let i = sizes.length; i < 5; i++) await new Promise(setImmediate);
      return bytes.slice();
    },
  };
  await write(path, { compression: 'zstd', codec: frames }, big);
  assert.deepEqual(sizes, [4_194_304, 4_194_304, 9_000_000 - 2 * 4_194_304]);
  assert.deepEqual((await layer(path)).tar, big);
});

test('an image joins others in a layout, and takes the place of one of its name', async (t) => {
  const path = target(t);
  mkdirSync(path);
  await write(path);
  const other = Buffer.concat([tarFile({ name: 'other' }, 'x'), TAR_END]);
  await write(path, { tag: 'v2' }, other);
  assert.deepEqual((await layer(path, 'v1')).tar, TAR);
  assert.deepEqual((await layer(path, 'v2')).tar, other);
  await write(path, { tag: 'v1' }, other);
  assert.deepEqual((await layer(path, 'v1')).tar, other);
  const { manifests } = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8'));
  assert.equal(manifests.length, 2);
});

test('a failure leaves nothing behind', async (t) => {
  const path = target(t);
  async function* broken() {
    yield TAR.subarray(0, 1024);
    throw new Error('broken');
  }
  const options = { tag: 'v1', metadata: METADATA, codec };
  await assert.rejects(exportOci(broken(), { path, ...options }), /broken/);
  assert.deepEqual(readdirSync(join(path, '..')), []);
  await write(path);
  const before = allFiles(path);
  await assert.rejects(exportOci(broken(), { path, ...options }), /broken/);
  const other = Buffer.concat([tarFile({ name: 'other' }, 'x'), TAR_END]);
  const controller = new AbortController();
  async function* aborted() {
    yield other;
    controller.abort();
    yield TAR_END;
  }
  const { signal } = controller;
  await assert.rejects(exportOci(aborted(), { path, ...options, signal }), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
  assert.deepEqual(allFiles(path), before);
});

test('what is no layout is not written into', async (t) => {
  const path = target(t);
  mkdirSync(path);
  writeFileSync(join(path, 'precious'), '');
  await assert.rejects(write(path), (error) => isG8Error(error, 'ERR_CREATE'));
  await assert.rejects(write(join(path, 'precious')), (error) => isG8Error(error, 'ERR_CREATE'));
  await assert.rejects(write('/no/such/folder/layout'), (error) => isG8Error(error, 'ERR_CREATE'));
  assert.deepEqual(readdirSync(path), ['precious']);
  assert.ok(!existsSync('/no'));
});

test('settings that are none are refused before anything is written', async (t) => {
  const path = target(t);
  const metadata = new Map([['entrypoint', '/bin/sh']]);
  await assert.rejects(write(path, { metadata }), (error) => isG8Error(error, 'ERR_FLIST_FORMAT'));
  assert.ok(!existsSync(path));
});
