import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { isG8Error } from '../../../../../src/base/errors.ts';
import { parseReference } from '../../../../../src/format/oci/reference.ts';
import { findCredentials } from '../../../../../src/image/oci/registry/credentials.ts';
import { temporaryDirectory } from '../../../../support/temporary-directory.ts';

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });

interface World {
  readonly env: Record<string, string>;
  readonly bin: string;
  docker(document: unknown): void;
  write(path: string, document: unknown): string;
}

function world(t: TestContext): World {
  const home = temporaryDirectory(t);
  const bin = join(home, 'bin');
  for (const folder of [bin, join(home, '.docker'), join(home, 'run/containers')]) {
    mkdirSync(folder, { recursive: true });
  }
  const write = (path: string, document: unknown): string => {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    writeFileSync(join(home, path), text);
    return join(home, path);
  };
  return {
    env: { HOME: home, PATH: `${bin}:/usr/bin:/bin` },
    bin,
    write,
    docker: (document) => write('.docker/config.json', document),
  };
}

const find = (env: Record<string, string>, image: string, timeoutMs = 60_000) =>
  findCredentials(parseReference(image), { env, timeoutMs });

test('without any file there are no credentials', async (t) => {
  assert.equal(await find(world(t).env, 'registry.example/a'), undefined);
});

test('docker keeps credentials under names and URLs, its own registry under a special one', async (t) => {
  const { env, docker } = world(t);
  docker({
    auths: {
      'https://registry.example/v2/': auth('one:pass:word'),
      'other.example:5000': auth('two:x\0\0'),
      'https://index.docker.io/v1/': auth('hub:y'),
      'token.example': { identitytoken: 'identity' },
      'plain.example': { username: 'three', password: 'z' },
      'empty.example': {},
    },
  });
  const found = (image: string) => find(env, image);
  assert.deepEqual(await found('registry.example/a'), { username: 'one', password: 'pass:word' });
  assert.deepEqual(await found('other.example:5000/a'), { username: 'two', password: 'x' });
  assert.deepEqual(await found('docker.io/debian'), { username: 'hub', password: 'y' });
  assert.deepEqual(await found('token.example/a'), { identityToken: 'identity' });
  assert.deepEqual(await found('plain.example/a'), { username: 'three', password: 'z' });
  assert.equal(await found('empty.example/a'), undefined);
  assert.equal(await found('other.example/a'), undefined);
});

test('the first file with credentials wins, and in it the longest name', async (t) => {
  const { env, docker, write } = world(t);
  docker({ auths: { 'r.example': auth('docker:1'), 'only.example': auth('docker:2') } });
  const runtime = { XDG_RUNTIME_DIR: join(env['HOME'] as string, 'run') };
  write('run/containers/auth.json', {
    auths: { 'r.example': auth('podman:1'), 'r.example/team': auth('team:1') },
  });
  const users = async (more: Record<string, string>, image: string) => {
    const found = await find({ ...env, ...more }, image);
    return found && 'username' in found ? found.username : undefined;
  };
  assert.equal(await users({}, 'r.example/team/a'), 'docker');
  assert.equal(await users(runtime, 'r.example/team/a'), 'team');
  assert.equal(await users(runtime, 'r.example/teams/a'), 'podman');
  assert.equal(await users(runtime, 'only.example/a'), 'docker');
  const named = write('named.json', { auths: { 'r.example': auth('named:1') } });
  assert.equal(await users({ ...runtime, REGISTRY_AUTH_FILE: named }, 'r.example/team/a'), 'named');
  const elsewhere = join(env['HOME'] as string, 'elsewhere');
  mkdirSync(elsewhere);
  write('elsewhere/config.json', { auths: { 'r.example': auth('elsewhere:1') } });
  assert.equal(await users({ DOCKER_CONFIG: elsewhere }, 'r.example/a'), 'elsewhere');
});

test('broken files are errors that show nothing of them', async (t) => {
  const { env, docker } = world(t);
  const secret = 'c2VjcmV0';
  for (const text of [`{"auths":{"r.example":{"auth":"${secret}"}}`, `{"auths":"${secret}"}`]) {
    docker(text);
    await assert.rejects(find(env, 'r.example/a'), (error) => {
      assert.ok(isG8Error(error, 'ERR_CONFIG'));
      assert.ok(!error.message.includes(secret) && error.message.includes('config.json'));
      return true;
    });
  }
  docker({ auths: { 'r.example': auth('no-colon') } });
  await assert.rejects(find(env, 'r.example/a'), (error) => isG8Error(error, 'ERR_CONFIG'));
  const absent = { ...env, REGISTRY_AUTH_FILE: '/no/such/file' };
  await assert.rejects(find(absent, 'r.example/a'), (error) => isG8Error(error, 'ERR_NO_INPUT'));
});

function helper({ bin }: World, name: string, script: string): void {
  const path = join(bin, `docker-credential-${name}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

test('helpers are told the server on stdin and answer with JSON', async (t) => {
  const place = world(t);
  const { env, docker } = place;
  const seen = join(place.bin, 'seen');
  helper(
    place,
    'one',
    `echo "$1" > ${seen}; cat >> ${seen}; echo '{"ServerURL":"x","Username":"u","Secret":"s"}'`,
  );
  helper(place, 'two', `echo '{"Username":"<token>","Secret":"t"}'`);
  helper(place, 'none', `echo 'credentials not found in native keychain'; exit 1`);
  docker({
    credHelpers: { 'one.example': 'one', 'none.example': 'none' },
    credsStore: 'two',
    auths: { 'one.example': auth('file:1') },
  });
  assert.deepEqual(await find(env, 'one.example/a'), { username: 'u', password: 's' });
  assert.equal(readFileSync(seen, 'utf8'), 'get\none.example\n');
  assert.deepEqual(await find(env, 'two.example/a'), { identityToken: 't' });
  assert.deepEqual(await find(env, 'none.example/a'), { identityToken: 't' });
  docker({ credsStore: 'none', auths: { 'r.example': auth('file:1') } });
  assert.deepEqual(await find(env, 'r.example/a'), { username: 'file', password: '1' });
  docker({ credHelpers: { 'docker.io': 'one' } });
  await find(env, 'docker.io/debian');
  assert.equal(readFileSync(seen, 'utf8'), 'get\nhttps://index.docker.io/v1/\n');
});

test('a helper that fails, lies or is absent is an error without its output', async (t) => {
  const place = world(t);
  helper(place, 'fails', 'echo secret; exit 3');
  helper(place, 'lies', 'echo \'{"secret":1}\'');
  helper(place, 'floods', 'while echo secretsecretsecretsecret; do :; done');
  const cases: [string, RegExp][] = [
    ['fails', /^docker-credential-fails ended with status 3$/],
    ['lies', /answers in an unknown form$/],
    ['floods', /answers with too much$/],
    ['absent', /^docker-credential-absent cannot be run: ENOENT$/],
    ['../../bin/sh', /not plain letters/],
  ];
  for (const [name, message] of cases) {
    place.docker({ credsStore: name });
    await assert.rejects(find(place.env, 'r.example/a'), (error) => {
      assert.ok(isG8Error(error, 'ERR_CONFIG'), String(error));
      assert.match(error.message, message);
      return !error.message.includes('secret');
    });
  }
});

test('a helper that hangs is ended with what it has started', async (t) => {
  const place = world(t);
  const pids = join(place.bin, 'pids');
  helper(place, 'hangs', `sleep 1000 & echo $$ $! > ${pids}; wait`);
  place.docker({ credsStore: 'hangs' });
  // Long enough for the script to get as far as its wait on a busy machine.
  await assert.rejects(find(place.env, 'r.example/a', 3000), (error) =>
    isG8Error(error, 'ERR_TIMEOUT') ? true : assert.fail(String(error)),
  );
  // Ended is not yet gone: the kernel takes its time, so this waits for it.
  for (const pid of readFileSync(pids, 'utf8').trim().split(' ')) {
    while (isRunning(pid)) await setTimeout(5);
  }
});

function isRunning(pid: string): boolean {
  try {
    return !/State:\tZ/.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
