/** `flist create` of images, as users name them: layouts, archives, registries. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { gate } from '../../support/gate.ts';
import { startServer } from '../../support/http-server.ts';
import { Layout, tagged } from '../../support/oci/make-layout.ts';
import { PASSWORD, run, startRegistry, USER } from '../../support/oci/registry.ts';
import { runCli, startCli } from '../../support/run-cli.ts';
import { TAR_END, tarFile } from '../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const layer = (...parts: Uint8Array[]): Buffer => Buffer.concat([...parts, TAR_END]);
const SECRET = 'old and hidden'.repeat(1000);
const LAYERS = [
  layer(tarFile({ name: 'kept' }, 'kept'), tarFile({ name: 'gone' }, SECRET)),
  layer(tarFile({ name: '.wh.gone' }), tarFile({ name: 'new' }, 'new'.repeat(100_000))),
];
const CONFIG = {
  Entrypoint: ['/init'],
  Cmd: ['-v'],
  Env: ['PATH=/bin'],
  ExposedPorts: { '80/tcp': {} },
  User: '5',
};

interface World {
  readonly work: string;
  readonly layout: string;
  /** Makes a flist of a source and gives what the command printed. */
  create(
    source: string,
    args?: readonly string[],
    env?: Record<string, string>,
  ): Promise<Record<string, unknown>>;
  fail(source: string, args?: readonly string[], env?: Record<string, string>): Promise<string>;
}

function makeWorld(t: TestContext): World {
  const work = temporaryDirectory(t);
  const layout = new Layout(join(work, 'layout'));
  layout.finish(tagged(layout.image(LAYERS, { config: CONFIG }), 'v1'));
  const tmp = join(work, 'tmp');
  mkdirSync(tmp);
  const cli = async (source: string, args: readonly string[], env: Record<string, string>) => {
    const store = `dir://${join(work, 'store')}`;
    const command = ['flist', 'create', source, join(work, 'x.flist'), '--store', store, ...args];
    const result = await runCli(command, { HOME: work, TMPDIR: tmp, ...env });
    assert.deepEqual(readdirSync(tmp), [], 'nothing is left behind');
    return result;
  };
  return {
    work,
    layout: layout.path,
    create: async (source, args = [], env = {}) => {
      const { code, stdout, stderr } = await cli(source, [...args, '--json'], env);
      assert.deepEqual([code, stderr], [0, '']);
      return JSON.parse(stdout);
    },
    fail: async (source, args = [], env = {}) => {
      const { code, stdout, stderr } = await cli(source, args, env);
      assert.equal(stdout, '');
      assert.match(stderr, /^g8ufs: [^\n]+\n$/);
      assert.ok(!readdirSync(work).includes('x.flist'));
      return `${code} ${stderr}`;
    },
  };
}

test('all forms of an image give the same tree, and only what it has is stored', async (t) => {
  const { work, layout, create } = makeWorld(t);
  const first = await create(`oci:${layout}:v1`);
  assert.deepEqual([first['entries'], first['files'], first['bytes']], [3, 2, 300_004]);
  const stored = readdirSync(join(work, 'store'), { recursive: true, withFileTypes: true });
  assert.equal(stored.filter((entry) => entry.isFile()).length, 2);
  const { rootDigest } = first;

  const tar = join(work, 'image.tar');
  execFileSync('tar', ['-C', layout, '-cf', tar, '.']);
  assert.equal((await create(`oci-archive:${tar}:v1`))['rootDigest'], rootDigest);
  for (const plain of [layout, tar]) assert.equal((await create(plain))['rootDigest'], rootDigest);
  const docker = join(work, 'docker.tar');
  const copy = ['--insecure-policy', 'copy', `oci:${layout}:v1`];
  await run('skopeo', [...copy, `docker-archive:${docker}:app:v1`]);
  assert.equal((await create(docker))['rootDigest'], rootDigest);
  assert.notEqual((await create(`tar:${docker}`))['rootDigest'], rootDigest);
  assert.equal((await create(`docker-archive:${docker}`))['rootDigest'], rootDigest);
  assert.equal((await create(`docker-archive:${docker}:app:v1`))['rootDigest'], rootDigest);
  writeFileSync(`${docker}.gz`, gzipSync(readFileSync(docker)));
  assert.equal((await create(`docker-archive:${docker}.gz`))['rootDigest'], rootDigest);

  const { host } = await startRegistry(t);
  await run('skopeo', [...copy, '--dest-tls-verify=false', `docker://${host}/app:v1`]);
  const pulled = await create(`oci://${host}/app:v1`);
  assert.deepEqual([pulled['rootDigest'], pulled['newChunks']], [rootDigest, 0]);
});

test('layers of zstd are read, in one frame or several', async (t) => {
  const { work, layout, create, fail } = makeWorld(t);
  const { rootDigest } = await create(`oci:${layout}:v1`);
  const flist = join(work, 'x.flist');
  const packed = join(work, 'packed');
  const store = ['--store', `dir://${join(work, 'store')}`];
  const args = ['flist', 'export', flist, `oci:${packed}`, ...store, '--compress', 'zstd'];
  assert.equal((await runCli(args)).code, 0);
  assert.equal((await create(`oci:${packed}`))['rootDigest'], rootDigest);
  // Damage behind the last entry: the digest of the blob tells.
  const { manifests } = JSON.parse(readFileSync(join(packed, 'index.json'), 'utf8'));
  const blob = (digest: string): string => join(packed, 'blobs', digest.replace(':', '/'));
  const { layers } = JSON.parse(readFileSync(blob(manifests[0].digest), 'utf8'));
  const path = blob(layers[0].digest);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(path, bytes);
  rmSync(flist);
  assert.match(await fail(`oci:${packed}`), /^65 g8ufs: Layer sha256:[0-9a-f]{12}: /);
});

test('an interrupted download leaves nothing behind', async (t) => {
  const { work, layout } = makeWorld(t);
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const blob = (digest: string) => readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  const manifest = blob(manifests[0].digest);
  const { layers } = JSON.parse(manifest.toString());
  const isAsked = gate();
  const server = await startServer(t, (request, response) => {
    const digest = request.url?.split('/').at(-1) ?? '';
    if (request.url === '/v2/') return response.end('{}');
    if (request.url?.includes('/manifests/')) {
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json');
      return response.end(manifest);
    }
    const bytes = blob(digest);
    if (!layers.some((one: { digest: string }) => one.digest === digest))
      return response.end(bytes);
    // Some bytes, and then silence.
    response.writeHead(200, { 'content-length': bytes.length });
    return response.write(bytes.subarray(0, 20), () => isAsked.open());
  });
  const tmp = join(work, 'tmp');
  const flist = join(work, 'x.flist');
  const image = `oci://${new URL(server.url).host}/app`;
  const args = ['flist', 'create', image, flist, '--store', `dir://${join(work, 'store')}`];
  const child = startCli(args, { HOME: work, TMPDIR: tmp });
  const ended = once(child, 'close');
  await isAsked.opened;
  child.kill('SIGINT');
  assert.deepEqual(await ended, [130, null]);
  assert.deepEqual(readdirSync(tmp), []);
  assert.ok(!readdirSync(work).includes('x.flist'));
});

test('what the configuration says becomes settings of the flist', async (t) => {
  const { work, layout, create } = makeWorld(t);
  await create(`oci:${layout}:v1`);
  const { stdout } = await runCli(['flist', 'info', join(work, 'x.flist'), '--json']);
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  assert.deepEqual(JSON.parse(stdout).metadata, {
    entrypoint: '["/init","-v"]',
    cmd: '["-v"]',
    environ: '{"PATH":"/bin"}',
    port: '{"tcp/80":80}',
    user: '5',
    platform: 'linux/amd64',
    'source-digest': manifests[0].digest,
  });
});

test('credentials come from files and helpers, and are never shown', async (t) => {
  const { work, layout, create, fail } = makeWorld(t);
  const { host } = await startRegistry(t, 'basic');
  const push = ['--dest-tls-verify=false', '--dest-creds', `${USER}:${PASSWORD}`];
  await run('skopeo', [
    ...['--insecure-policy', 'copy', `oci:${layout}:v1`, ...push],
    `docker://${host}/app:v1`,
  ]);
  const image = `oci://${host}/app:v1`;
  assert.match(await fail(image), /^77 .* are needed and none were found \(ERR_PERMISSION\)\n$/);
  mkdirSync(join(work, '.docker'));
  const config = join(work, '.docker/config.json');
  const auth = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
  writeFileSync(config, JSON.stringify({ auths: { [host]: { auth } } }));
  await create(image);
  const bad = Buffer.from(`${USER}:wrong-${PASSWORD}`).toString('base64');
  writeFileSync(join(work, 'bad.json'), JSON.stringify({ auths: { [host]: { auth: bad } } }));
  const env = { REGISTRY_AUTH_FILE: join(work, 'bad.json') };
  const refused = await runCli(
    ['flist', 'create', image, join(work, 'y.flist'), '-s', 'dir:///nowhere', '--debug'],
    { HOME: work, ...env },
  );
  assert.equal(refused.code, 77);
  for (const secret of [PASSWORD, bad]) assert.ok(!refused.stderr.includes(secret));

  const bin = join(work, 'bin');
  mkdirSync(bin);
  const answer = `{"ServerURL":"x","Username":"${USER}","Secret":"${PASSWORD}"}`;
  writeFileSync(
    join(bin, 'docker-credential-test'),
    `#!/bin/sh\ncat > /dev/null\necho '${answer}'\n`,
  );
  chmodSync(join(bin, 'docker-credential-test'), 0o755);
  writeFileSync(config, JSON.stringify({ credHelpers: { [host]: 'test' } }));
  await create(image, [], { PATH: `${bin}:${process.env['PATH']}` });
});

test('wrong names and flags end with one line before anything is read', async (t) => {
  const { layout, work, fail } = makeWorld(t);
  assert.match(await fail('oci://user:secret@host/app'), /^64 (?!.*secret).*\(ERR_USAGE\)/);
  assert.match(await fail('oci://host/UPPER'), /^64 .*wrong repository/);
  assert.match(await fail(`oci:${layout}:v1`, ['--platform', 'linux']), /^64 .*OS\/ARCH/);
  assert.match(await fail(`oci:${layout}:v1`, ['--unpack-limit', 'x']), /^64 .*--unpack-limit/);
  assert.match(await fail(work, ['--platform', 'linux/amd64']), /^64 .*--platform is for OCI/);
  assert.match(await fail(`oci:${layout}:v2`), /^66 .*no image v2; it has: v1/);
  assert.match(await fail('oci:/no/such/layout'), /^66 /);
  assert.match(
    await fail(`oci:${layout}:v1`, ['--platform', 'linux/s390x']),
    /^66 .*linux\/s390x; it|^66 .* not for linux\/s390x/,
  );
  assert.match(await fail(`oci:${work}`), /^65 .*has no oci-layout/);
});

test('hostile images end with one line, and no flist', async (t) => {
  const { work, fail } = makeWorld(t);
  const bomb = new Layout(join(work, 'bomb'));
  const zeros = layer(tarFile({ name: 'zeros' }, Buffer.alloc(3_000_000)));
  bomb.finish(bomb.image([zeros]));
  const bombed = await fail(`oci:${bomb.path}`, ['--unpack-limit', '1MiB']);
  assert.match(bombed, /^65 .*Layer sha256:[0-9a-f]{12}: .*1048576 bytes \(--unpack-limit\)/);
  const lie = new Layout(join(work, 'lie'));
  const bytes = gzipSync(LAYERS[0] as Uint8Array);
  const image = lie.image([LAYERS[0] as Uint8Array]);
  lie.finish(image);
  const { layers } = JSON.parse(
    readFileSync(join(lie.path, 'blobs', image.digest.replace(':', '/')), 'utf8'),
  );
  // Behind the compressed data: only the digest tells.
  const path = join(lie.path, 'blobs', layers[0].digest.replace(':', '/'));
  writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.of((bytes.at(-1) ?? 0) ^ 1)]));
  assert.match(await fail(`oci:${lie.path}`), /^65 g8ufs: Layer sha256:[0-9a-f]{12}: /);
});

test('a registry that cannot be reached is named', async (t) => {
  const { fail } = makeWorld(t);
  const server = await startServer(t, (_, response) => response.writeHead(503).end());
  const { host } = new URL(server.url);
  server.server.close();
  server.server.closeAllConnections();
  assert.match(await fail(`oci://${host}/app`), /^69 .*ERR_STORE_UNAVAILABLE/);
});
