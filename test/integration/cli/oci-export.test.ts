/** `flist export` to images: layouts, archives and registries, and back to the same tree. */
import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { startServer } from '../../support/http-server.ts';
import { PASSWORD, run, startRegistry, USER } from '../../support/oci/registry.ts';
import { startTokenServer } from '../../support/oci/token-server.ts';
import { runCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

interface World {
  readonly work: string;
  readonly rootDigest: string;
  cli(...args: readonly string[]): Promise<Record<string, unknown>>;
  /** Exports, and makes a flist of what came of it. */
  roundTrip(target: string, ...args: readonly string[]): Promise<Record<string, unknown>>;
  fail(target: string, ...args: readonly string[]): Promise<string>;
}

async function makeWorld(t: TestContext): Promise<World> {
  const work = temporaryDirectory(t);
  const source = join(work, 'source');
  for (const folder of ['source/etc', 'tmp']) mkdirSync(join(work, folder), { recursive: true });
  writeFileSync(join(source, 'etc/a'), 'a'.repeat(700_000));
  linkSync(join(source, 'etc/a'), join(source, 'b'));
  symlinkSync('etc/a', join(source, 'link'));
  writeFileSync(Buffer.concat([Buffer.from(`${source}/raw`), Buffer.of(0xff)]), 'raw');
  utimesSync(join(source, 'etc/a'), 1, 1.25);
  const flist = join(work, 'image.flist');
  const store = ['--store', `dir://${join(work, 'store')}`];
  const env = { HOME: work, TMPDIR: join(work, 'tmp') };
  const cli = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runCli([...args, '--json'], env);
    assert.deepEqual([code, stderr], [0, '']);
    return JSON.parse(stdout);
  };
  const { rootDigest } = await cli('flist', 'create', source, flist, ...store);
  return {
    work,
    rootDigest,
    cli,
    roundTrip: async (target, ...args) => {
      const exported = await cli('flist', 'export', flist, target, ...store, ...args);
      assert.deepEqual(readdirSync(join(work, 'tmp')), [], 'nothing is left behind');
      const again = await cli('flist', 'create', target, join(work, 'x.flist'), ...store);
      assert.deepEqual([again['rootDigest'], again['newChunks']], [rootDigest, 0]);
      return exported;
    },
    fail: async (target, ...args) => {
      const command = ['flist', 'export', flist, target, ...store, ...args];
      const { code, stdout, stderr } = await runCli(command, env);
      assert.equal(stdout, '');
      assert.match(stderr, /^g8ufs: [^\n]+\n$/);
      assert.deepEqual(readdirSync(join(work, 'tmp')), [], 'nothing is left behind');
      return `${code} ${stderr}`;
    },
  };
}

test('an image becomes a layout and the same image again, however it is compressed', async (t) => {
  const { work, roundTrip } = await makeWorld(t);
  const layout = join(work, 'layout');
  const { digest } = await roundTrip(`oci:${layout}:gzip`);
  await roundTrip(`oci:${layout}:plain`, '--compress', 'none');
  const again = await roundTrip(`oci:${join(work, 'other')}:gzip`);
  assert.equal(again['digest'], digest);
  assert.deepEqual(JSON.parse(await run('umoci', ['ls', '--layout', layout]).then(asJson)), [
    'gzip',
    'plain',
  ]);
});

const asJson = (lines: string): string => JSON.stringify(lines.trim().split('\n').sort());

test('archives are read by skopeo, and always have the same bytes', async (t) => {
  const { work, roundTrip } = await makeWorld(t);
  for (const [kind, name] of [
    ['oci-archive', 'v1'],
    ['docker-archive', 'some/app:1'],
  ] as const) {
    const files = [join(work, `${kind}-1.tar`), join(work, `${kind}-2.tar`)];
    for (const file of files) await roundTrip(`${kind}:${file}:${name}`);
    const [first, second] = files.map((file) => readFileSync(file));
    assert.deepEqual(first, second);
    const inspected = JSON.parse(await run('skopeo', ['inspect', `${kind}:${files[0]}`]));
    assert.deepEqual([inspected.Os, inspected.Layers.length], ['linux', 1]);
  }
});

test('an image is pushed to a registry, and only what it lacks', async (t) => {
  const { work, roundTrip } = await makeWorld(t);
  const { host } = await startRegistry(t);
  const { digest } = await roundTrip(`oci://${host}/team/app:v1`);
  const inspect = ['inspect', '--tls-verify=false', `docker://${host}/team/app:v1`];
  assert.equal(JSON.parse(await run('skopeo', inspect)).Digest, digest);
  const again = await roundTrip(`oci://${host}/team/app:v2`);
  assert.equal(again['digest'], digest);
  assert.ok(!existsSync(join(work, 'latest')));
});

test('a push answers a registry that wants a password or a token', async (t) => {
  const { work, roundTrip, fail } = await makeWorld(t);
  const tokens = await startTokenServer(t);
  const auth = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
  mkdirSync(join(work, '.docker'));
  for (const kind of ['basic', tokens.auth] as const) {
    const { host } = await startRegistry(t, kind);
    writeFileSync(join(work, '.docker/config.json'), '{}');
    assert.match(await fail(`oci://${host}/app`), /^77 .*are needed and none were found/);
    writeFileSync(
      join(work, '.docker/config.json'),
      JSON.stringify({ auths: { [host]: { auth } } }),
    );
    await roundTrip(`oci://${host}/app`);
  }
});

test('an upload that fails in passing begins again', async (t) => {
  const { fail } = await makeWorld(t);
  const starts: string[] = [];
  let puts = 0;
  const server = await startServer(t, (request, response) => {
    const { method, url = '' } = request;
    if (url === '/v2/') return response.end('{}');
    if (method === 'HEAD') return response.writeHead(404).end();
    if (method === 'POST') {
      starts.push(url);
      const headers = { location: `/v2/app/blobs/uploads/${starts.length}?state=secret` };
      return response.writeHead(202, headers).end();
    }
    if (url.includes('/manifests/')) return response.writeHead(403).end();
    assert.match(url, /uploads\/\d\?state=secret&digest=sha256%3A[0-9a-f]{64}$/);
    if (++puts === 1) return request.destroy();
    request.resume();
    return request.once('end', () => response.writeHead(201).end());
  });
  const message = await fail(`oci://${new URL(server.url).host}/app`);
  assert.match(message, /^77 .*Manifest latest of .* was answered with 403/);
  assert.ok(!message.includes('secret'));
  assert.equal(starts.length, 3);
});

test('a part of an image is an image too; what is none is refused', async (t) => {
  const { work, cli, fail } = await makeWorld(t);
  const store = ['--store', `dir://${join(work, 'store')}`];
  const layout = join(work, 'part');
  const part = await cli(
    ...['flist', 'export', join(work, 'image.flist'), `oci:${layout}`, ...store],
    ...['--path', '/etc', '--platform', 'linux/riscv64'],
  );
  assert.equal(part['entries'], 2);
  const inspected = JSON.parse(await run('skopeo', ['inspect', `oci:${layout}:latest`]));
  assert.equal(inspected.Architecture, 'riscv64');
  assert.match(await fail(`oci:${layout}:x`, '--path', '/etc/a'), /^64 .*is no folder/);
  assert.match(await fail(`oci:${join(work, 'source')}`), /^73 .*something else in it/);
  assert.match(await fail('oci:/no/such/folder/layout'), /^73 /);
  assert.match(await fail('oci-archive:/no/such/folder/a.tar'), /^73 /);
  assert.match(await fail('oci://host/UPPER'), /^64 /);
  assert.match(await fail(`docker-archive:${work}/d.tar`, '--compress', 'gzip'), /^64 /);
  assert.match(await fail(join(work, 'folder'), '--platform', 'linux/amd64'), /^64 /);
});
