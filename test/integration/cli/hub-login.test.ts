/** Logins, private images, and what the commands of a hub do, by the program against a hub with users. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { UsersHub } from '../../support/hub-users.ts';
import { type CliResult, runCli, startCli } from '../../support/run-cli.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

interface World {
  readonly hub: UsersHub;
  /** Of alice, with all scopes. */
  readonly alice: string;
  readonly work: string;
  readonly credentials: string;
  run(...args: string[]): Promise<CliResult>;
  /** Runs to success. */
  ok(...args: string[]): Promise<string>;
  json<T>(...args: string[]): Promise<T>;
  /** With a text on stdin. */
  tell(text: string, ...args: string[]): Promise<CliResult>;
}

async function world(t: TestContext): Promise<World> {
  const hub = await UsersHub.start(temporaryDirectory(t));
  t.after(() => hub.hub.close());
  const alice = await hub.user('alice', { password: 'correct horse' });
  const work = temporaryDirectory(t);
  const credentials = join(work, 'credentials.json');
  const env = { G8UFS_CREDENTIALS: credentials, G8UFS_HUB: hub.url, TMPDIR: work };
  // Processes of their own: stores and mounts look for logins in the environment of theirs.
  const run = (...args: string[]) => tell('', ...args);
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    assert.deepEqual([code, stderr], [0, ''], args.join(' '));
    return stdout;
  };
  const tell = async (text: string, ...args: string[]) => {
    const child = startCli(args, env, 'pipe');
    child.stdin?.end(text);
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (data) => {
      stdout += data;
    });
    child.stderr?.on('data', (data) => {
      stderr += data;
    });
    const [code] = (await once(child, 'close')) as [number];
    return { code, stdout, stderr, stdoutBytes: Buffer.from(stdout) };
  };
  const json = async <T>(...args: string[]) => JSON.parse(await ok(...args, '--json')) as T;
  return { hub, alice, work, credentials, run, ok, json, tell };
}

/** An image of two files whose chunks are in a folder. */
async function image({ work, ok }: World): Promise<{ flist: string; store: string }> {
  const source = join(work, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'file'), 'from the hub\n');
  writeFileSync(join(source, 'other'), 'more of it\n');
  const [flist, store] = [join(work, 'app.flist'), join(work, 'chunks')];
  await ok('flist', 'create', source, flist, '--store', store, '--quiet');
  return { flist, store };
}

async function makePrivate({ hub, alice }: World, name: string): Promise<void> {
  const body = { name, visibility: 'private' };
  await hub.json('POST', '/api/v1/repositories', { token: alice, body });
}

test('login takes a token from stdin, checks it, and keeps it for its owner alone', async (t) => {
  const place = await world(t);
  const { hub, alice, credentials, tell, run } = place;
  const wrong = await tell(`g8_0123456789abcdef_${'0'.repeat(64)}\n`, 'login');
  assert.equal(wrong.code, 77);
  assert.match(wrong.stderr, /^g8ufs: .*401: The token is not valid.* \(ERR_PERMISSION\)\n$/);
  assert.equal(existsSync(credentials), false);

  const { code, stdout, stderr } = await tell(`${alice}\n`, 'login', `${hub.url}/`);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout, `${hub.url}: logged in as alice, scope admin\n`);
  assert.equal(statSync(credentials).mode & 0o777, 0o600);
  assert.equal((await tell('', 'login')).code, 64);

  assert.equal(await place.ok('logout'), `${hub.url}: logged out\n`);
  assert.equal((await run('logout')).code, 66);
  // It was not made by login, and may be in use elsewhere.
  assert.equal(await hub.status('GET', '/api/v1/user', { token: alice }), 200);
});

test('login by password makes a token, keeps no password, and logout revokes it', async (t) => {
  const { hub, credentials, tell, json } = await world(t);
  const login = ['login', '--user', 'alice', '--scope', 'read', '--days', '3', '--json'];
  assert.equal((await tell('wrong password\n', ...login)).code, 77);
  const { code, stdout } = await tell('correct horse\n', ...login);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { hub: hub.url, user: 'alice', scope: 'read' });
  const text = readFileSync(credentials, 'utf8');
  assert.doesNotMatch(text, /correct horse/);
  const { token } = JSON.parse(text).logins[hub.url];
  assert.equal(await hub.status('GET', '/api/v1/user', { token }), 200);
  assert.deepEqual(await json('logout'), { hub: hub.url, revoked: true });
  assert.equal(await hub.status('GET', '/api/v1/user', { token }), 401);
});

test('a private image is pushed, read, pulled and removed with the login alone', async (t) => {
  const place = await world(t);
  const { hub, alice, credentials, run, ok, json, tell } = place;
  const { flist, store } = await image(place);
  await makePrivate(place, 'alice');
  const refused = await run('push', flist, 'alice/app', '--store', store);
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, /401: This needs credentials; log in with g8ufs login/);

  await tell(alice, 'login');
  const url = `${hub.url}/alice/app.flist`;
  assert.equal(
    await ok('push', flist, 'alice/app', '--store', store),
    `${url}: 2 of 2 chunks new\n`,
  );
  assert.equal(await hub.status('GET', '/alice/app.flist'), 404);
  assert.equal(await ok('flist', 'cat', url, '/file', '--store', hub.url), 'from the hub\n');
  assert.match(await ok('search', 'APP', 'alice'), /^alice\/app\.flist +\d+(\.\d+)? \S+ +\S+Z\n$/);
  assert.equal(await ok('search', 'nothing'), '');

  // One chunk is there already: only the other comes.
  const kept = join(place.work, 'pulled');
  const out = join(place.work, 'copy.flist');
  await ok('pull', 'alice/app', out, '--store', kept);
  assert.deepEqual(readFileSync(out), readFileSync(flist));
  const [first = ''] = readdirSync(kept).filter((name) => name !== 'tmp');
  rmSync(join(kept, first), { recursive: true });
  const again = await json<{ carried: { chunks: number; newChunks: number } }>(
    ...['pull', 'alice/app', out, '--store', kept],
  );
  assert.deepEqual([again.carried.chunks, again.carried.newChunks], [2, 1]);
  assert.equal(await ok('flist', 'cat', out, '/file', '--store', kept), 'from the hub\n');
  assert.equal(await ok('pull', 'alice/app', out), `${out}, unchanged\n`);

  const bundle = join(place.work, 'all.bundle');
  // One that was cut has left a chunk beside it.
  renameSync(kept, `${bundle}.parts`);
  const [some = ''] = readdirSync(`${bundle}.parts`).filter((name) => name !== 'tmp');
  rmSync(join(`${bundle}.parts`, some), { recursive: true });
  assert.match(await ok('pull', 'alice/app', bundle), /: 1 of 2 chunks new\n$/);
  assert(!existsSync(`${bundle}.parts`));
  chmodSync(credentials, 0o644);
  const open = await run('pull', 'alice/app', out);
  assert.equal(open.code, 77);
  assert.match(open.stderr, /open to others \(mode 0644\): chmod 600 it \(ERR_PERMISSION\)/);
  chmodSync(credentials, 0o600);

  await ok('rm', url);
  assert.equal((await run('flist', 'info', url)).code, 66);
  assert.equal((await run('rm', 'alice/app')).code, 66);
  // From the bundle, with nothing else.
  assert.equal(await ok('push', bundle, 'alice/app'), `${url}: 0 of 2 chunks new\n`);
});

test('tag and promote change names on the hub and send no bytes', async (t) => {
  const place = await world(t);
  const { hub, alice, ok, run, json, tell } = place;
  const { flist, store } = await image(place);
  await tell(alice, 'login');
  await ok('flist', 'keygen', join(place.work, 'key'));
  await ok('flist', 'sign', flist, '--key', join(place.work, 'key.key'), '--quiet');
  await ok('push', flist, 'alice/app', '--store', store);
  const tagged = `${hub.url}/alice/tags/stable/web.flist`;
  assert.equal(await ok('tag', 'alice/app', 'alice/stable', '--as', 'web'), `${tagged}\n`);
  assert.equal(await hub.status('GET', '/alice/tags/stable/web.flist'), 200);
  assert.equal((await run('tag', 'alice/none', 'alice/stable')).code, 66);
  assert.equal((await run('tag', 'alice/app', 'stable')).code, 64);
  await ok('tag', 'alice/app', 'alice/stable', '--as', 'web', '--remove');
  assert.equal(await hub.status('GET', '/alice/tags/stable/web.flist'), 404);
  const removed = await run('tag', 'alice/app', 'alice/stable', '--as', 'web', '--remove');
  assert.equal(removed.code, 66);

  const promoted = await json<{ url: string }>('promote', 'alice/app', 'production/app');
  assert.equal(promoted.url, `${hub.url}/production/app.flist`);
  assert.equal(await hub.status('GET', '/production/app.flist.sig'), 200);
  const verified = await run('flist', 'verify', promoted.url, '--key', join(place.work, 'key.pub'));
  assert.equal(verified.code, 0, verified.stderr);
  // Not into what belongs to another.
  await hub.user('bob');
  const bob = await hub.token('bob', 'publish');
  await tell(bob, 'login');
  assert.equal((await run('promote', 'alice/app', 'production/app')).code, 77);
  assert.equal((await run('tag', 'alice/app', 'alice/stable')).code, 77);
  assert.equal((await run('rm', 'alice/app')).code, 77);
  assert.equal((await run('push', flist, 'alice/app')).code, 77);
});

test('what is read by a flist with a store below the hub is asked for without the token', async (t) => {
  const place = await world(t);
  const { hub, alice, tell, run } = place;
  const { flist } = await image(place);
  await tell(alice, 'login');
  const store = `${hub.url}/api/flist/me/promote/alice`;
  const { code, stderr } = await run('flist', 'cat', flist, '/file', '--store', store);
  assert.notEqual(code, 0);
  assert.doesNotMatch(stderr, /g8_/);
  const audit = await hub.json<{ lines: { action: string }[] }>('GET', '/api/v1/audit', {
    token: hub.admin,
  });
  assert.equal(audit.lines.filter(({ action }) => action.startsWith('historical')).length, 0);
});

test('an unknown repository, tag or hub in a name is a usage error before anything is sent', async (t) => {
  const { work, credentials } = await world(t);
  const env = { G8UFS_CREDENTIALS: credentials, TMPDIR: work };
  for (const args of [
    ['push', 'x.flist', 'demo/app'],
    ['search', 'app'],
    ['login'],
    ['promote', 'http://a/demo/app', 'http://b/demo/app'],
  ]) {
    assert.equal((await runCli(args, env)).code, 64, args.join(' '));
  }
});
