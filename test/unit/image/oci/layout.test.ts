/** Images of layouts in folders and tars, and of what docker saves; whole ones and hostile ones. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type ErrorCode, isG8Error } from '../../../../src/base/errors.ts';
import { MEDIA_TYPE } from '../../../../src/format/oci/media-type.ts';
import { parsePlatform } from '../../../../src/format/oci/platform.ts';
import { openArchiveImage } from '../../../../src/image/oci/docker-archive.ts';
import type { OciImage } from '../../../../src/image/oci/image.ts';
import { FolderFiles } from '../../../../src/image/oci/image-files.ts';
import { type OpenImageOptions, openLayoutImage } from '../../../../src/image/oci/layout.ts';
import { TarFiles } from '../../../../src/image/oci/tar-files.ts';
import { gunzip } from '../../../support/oci/gunzip.ts';
import { Layout, sha256, tagged } from '../../../support/oci/make-layout.ts';
import { TAR_END, tarFile } from '../../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const tar = (name: string): Buffer => Buffer.concat([tarFile({ name }, name), TAR_END]);
const AMD64 = { platform: parsePlatform('linux/amd64'), isExplicit: false };
const OPTIONS: OpenImageOptions = { choice: AMD64, decompress: gunzip };

function makeLayout(t: TestContext): Layout {
  return new Layout(join(temporaryDirectory(t), 'layout'));
}

async function open(
  layout: Layout,
  version?: string,
  options: OpenImageOptions = OPTIONS,
): Promise<OciImage> {
  return await openLayoutImage(new FolderFiles(layout.path), version, options);
}

async function layersOf({ layers }: OciImage): Promise<Buffer[]> {
  const all: Buffer[] = [];
  const { signal } = new AbortController();
  for (const layer of layers) {
    const pieces: Uint8Array[] = [];
    for await (const piece of layer.open({ signal, onPosition: () => {} })) pieces.push(piece);
    all.push(Buffer.concat(pieces));
  }
  return all;
}

const fails = (code: ErrorCode, message: RegExp) => (error: unknown) =>
  isG8Error(error, code) && message.test(error.message)
    ? true
    : assert.fail(`${error} is not ${code} ${message}`);
const malformed = (message: RegExp) => fails('ERR_FLIST_FORMAT', message);

test('a layout with one image needs no name', async (t) => {
  const layout = makeLayout(t);
  const image = layout.image([tar('a'), tar('b')], { config: { Cmd: ['/b'] } });
  layout.finish(image);
  const opened = await open(layout);
  assert.deepEqual(opened.config.run.cmd, ['/b']);
  assert.equal(opened.origin.digest, image.digest);
  assert.deepEqual(await layersOf(opened), [tar('a'), tar('b')]);
});

test('images of a layout are found by tag and digest', async (t) => {
  const layout = makeLayout(t);
  const [a, b] = [layout.image([tar('a')]), layout.image([tar('b')])];
  layout.finish(tagged(a, 'one'), tagged(b, 'two'));
  assert.equal((await open(layout, 'two')).origin.digest, b.digest);
  assert.equal((await open(layout, `@${a.digest}`)).origin.digest, a.digest);
  await assert.rejects(open(layout), fails('ERR_USAGE', /choose one: one, two$/));
  await assert.rejects(open(layout, 'x'), fails('ERR_NO_INPUT', /no image x; it has: one, two$/));
  await assert.rejects(
    open(layout, `@${sha256('x')}`),
    fails('ERR_NO_INPUT', /has no image sha256/),
  );
});

test('an image for another platform is taken unless one was asked for', async (t) => {
  const layout = makeLayout(t);
  layout.finish(layout.image([], { top: { architecture: 'arm64' } }));
  assert.equal((await open(layout)).config.platform.architecture, 'arm64');
  const choice = { ...AMD64, isExplicit: true };
  await assert.rejects(
    open(layout, undefined, { ...OPTIONS, choice }),
    fails('ERR_NO_INPUT', /is for linux\/arm64, not for linux\/amd64$/),
  );
});

test('layers are plain, gzip or whatever else their bytes show', async (t) => {
  const layout = makeLayout(t);
  const config = layout.json(MEDIA_TYPE.dockerConfig, {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [sha256(tar('a')), sha256(tar('b'))] },
  });
  const plain = layout.blob('application/vnd.docker.image.rootfs.diff.tar.gzip', tar('a'));
  const packed = layout.blob(MEDIA_TYPE.layer, gzipSync(tar('b')));
  layout.finish(layout.manifest(config, [plain, packed]));
  assert.deepEqual(await layersOf(await open(layout)), [tar('a'), tar('b')]);
});

test('blobs are checked against digest and size', async (t) => {
  const layout = makeLayout(t);
  const config = (diffId: string) =>
    layout.json(MEDIA_TYPE.config, {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [diffId] },
    });
  const good = layout.blob(MEDIA_TYPE.layer, tar('a'));
  const read = async (...parts: Parameters<Layout['manifest']>) => {
    layout.finish(layout.manifest(...parts));
    return await layersOf(await open(layout));
  };
  const right = config(sha256(tar('a')));
  await read(right, [good]);
  await assert.rejects(read(right, [{ ...good, size: 1 }]), malformed(/descriptor says 1$/));
  await assert.rejects(
    read(right, [{ ...good, size: 1e9 }]),
    malformed(/descriptor says 1000000000$/),
  );
  await assert.rejects(
    read(config(sha256('x')), [good]),
    malformed(/^The unpacked layer does not match/),
  );
  await assert.rejects(read(right, []), malformed(/has 0 layers, its configuration names 1$/));
  const missing = { ...good, digest: sha256('missing') };
  await assert.rejects(read(right, [missing]), malformed(/^The blob is missing in /));
  const lie = layout.blob(MEDIA_TYPE.layer, tar('a'), { digest: sha256('lie') });
  await assert.rejects(read(right, [lie]), malformed(/^The blob does not match its digest/));
  const false_ = layout.json(MEDIA_TYPE.config, {}, { digest: sha256('other') });
  await assert.rejects(read(false_, [good]), malformed(/does not match its digest/));
});

test('foreign layers and images that are no containers are named as such', async (t) => {
  const layout = makeLayout(t);
  const layer = layout.blob('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', tar('a'));
  const config = layout.json(MEDIA_TYPE.config, {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [sha256(tar('a'))] },
  });
  layout.finish(layout.manifest(config, [layer]));
  await assert.rejects(open(layout), malformed(/^Layer sha256:[0-9a-f]{12} is a foreign layer/));
  const chart = layout.json('application/vnd.cncf.helm.config.v1+json', {});
  layout.finish(layout.manifest(chart, []));
  await assert.rejects(open(layout), malformed(/no container image but .*helm/));
});

test('indexes of indexes have an end', async (t) => {
  const layout = makeLayout(t);
  let inner = layout.image([tar('a')]);
  for (let depth = 0; depth < 5; depth++) inner = layout.index([inner]);
  layout.finish(inner);
  assert.equal((await layersOf(await open(layout))).length, 1);
  for (let depth = 0; depth < 10; depth++) inner = layout.index([inner]);
  layout.finish(inner);
  await assert.rejects(open(layout), malformed(/indexes of indexes without end/));
  const wide = Array.from({ length: 100 }, (_, i) => layout.index([layout.image([tar(`${i}`)])]));
  layout.finish(layout.index(wide));
  await assert.rejects(open(layout), malformed(/without end/));
});

test('an index that leads to itself is no index', async (t) => {
  const layout = makeLayout(t);
  const digest = sha256('itself');
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.index,
    manifests: [{ mediaType: MEDIA_TYPE.index, digest, size: 300 }],
  });
  layout.finish(layout.blob(MEDIA_TYPE.index, text.padEnd(300), { digest }));
  await assert.rejects(open(layout), malformed(/does not match its digest/));
});

test('a layer that unpacks to too much is stopped', async (t) => {
  const layout = makeLayout(t);
  const zeros = Buffer.concat([tarFile({ name: 'z' }, Buffer.alloc(4_000_000)), TAR_END]);
  layout.finish(layout.image([zeros]));
  const limited = (unpackedSizeMax: number) =>
    open(layout, undefined, { ...OPTIONS, unpackedSizeMax }).then(layersOf);
  await limited(zeros.length);
  await assert.rejects(limited(zeros.length - 1), malformed(/--unpack-limit/));
});

test('layouts that are none are refused', async (t) => {
  const layout = makeLayout(t);
  await assert.rejects(open(layout), malformed(/has no index\.json$/));
  layout.finish();
  await assert.rejects(open(layout), fails('ERR_NO_INPUT', /has no image$/));
  writeFileSync(join(layout.path, 'oci-layout'), '{"imageLayoutVersion":"7"}');
  await assert.rejects(open(layout), malformed(/of version 7, not 1$/));
  rmSync(join(layout.path, 'oci-layout'));
  execFileSync('mkfifo', [join(layout.path, 'oci-layout')]);
  await assert.rejects(open(layout), malformed(/has no oci-layout$/));
});

async function inTar(t: TestContext, folder: string, ...args: string[]): Promise<TarFiles> {
  const file = join(temporaryDirectory(t), 'archive.tar');
  execFileSync('tar', ['-C', folder, ...args, '-cf', file, '.']);
  return await TarFiles.open(file, 'archive');
}

test('a layout in a tar is read in place', async (t) => {
  const layout = makeLayout(t);
  layout.finish(tagged(layout.image([tar('a'), tar('b')]), 'v1'));
  for (const format of ['gnu', 'pax', 'ustar']) {
    const files = await inTar(t, layout.path, `--format=${format}`);
    const image = await openLayoutImage(files, 'v1', OPTIONS);
    assert.deepEqual(await layersOf(image), [tar('a'), tar('b')]);
    await image.close();
  }
});

/** What `docker save` writes: layers in folders, the same one a link. */
function makeArchive(t: TestContext): string {
  const folder = temporaryDirectory(t);
  const long = 'd'.repeat(120);
  for (const name of ['one', long]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, `${long}/layer.tar`), tar('a'));
  symlinkSync(`../${long}/layer.tar`, join(folder, 'one/layer.tar'));
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/a'] },
    rootfs: { type: 'layers', diff_ids: [sha256(tar('a')), sha256(tar('a'))] },
  });
  writeFileSync(join(folder, 'config.json'), config);
  const Layers = [`${long}/layer.tar`, 'one/layer.tar'];
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: ['app:1', 'app:2'], Layers }]),
  );
  return folder;
}

test('what docker saves is read in place, links included', async (t) => {
  const files = await inTar(t, makeArchive(t));
  const image = await openArchiveImage(files, undefined, OPTIONS);
  assert.deepEqual(await layersOf(image), [tar('a'), tar('a')]);
  assert.equal(image.origin.source, 'app:1');
  await image.close();
});

test('images of an archive are found by name', async (t) => {
  const folder = makeArchive(t);
  const named = await openArchiveImage(await inTar(t, folder), 'docker.io/library/app:2', OPTIONS);
  assert.deepEqual(named.config.run.cmd, ['/a']);
  await named.close();
  const files = await inTar(t, folder);
  await assert.rejects(
    openArchiveImage(files, 'app:3', OPTIONS),
    fails('ERR_NO_INPUT', /no image app:3; it has: app:1, app:2$/),
  );
  await files.close();
});

test('archives that are cut off, or lie, are refused', async (t) => {
  const folder = makeArchive(t);
  const file = join(temporaryDirectory(t), 'archive.tar');
  execFileSync('tar', ['-C', folder, '-cf', file, '.']);
  truncateSync(file, 1000);
  await assert.rejects(TarFiles.open(file, 'archive'), malformed(/cut off/));
  writeFileSync(file, 'no tar at all'.padEnd(1024, '.'));
  await assert.rejects(TarFiles.open(file, 'archive'), malformed(/malformed/));
  writeFileSync(
    join(folder, 'manifest.json'),
    '[{"Config":"config.json","Layers":["../../etc/passwd","x"]}]',
  );
  const files = await inTar(t, folder);
  await assert.rejects(
    openArchiveImage(files, undefined, OPTIONS),
    malformed(/is missing in archive$/),
  );
  await files.close();
});

test('links in an archive that lead in circles lead nowhere', async (t) => {
  const folder = makeArchive(t);
  rmSync(join(folder, 'one/layer.tar'));
  symlinkSync('layer.tar', join(folder, 'one/layer.tar'));
  const files = await inTar(t, folder);
  await assert.rejects(openArchiveImage(files, undefined, OPTIONS), malformed(/is missing/));
  await files.close();
});
