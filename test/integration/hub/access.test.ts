/** Users, tokens and private repositories over HTTP: what is allowed, and what is refused with which status. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SignedTokens } from '../../../src/hub/access/signed-token.ts';
import { openCatalogue } from '../../../src/hub/catalogue/open.ts';
import { TOKEN } from '../../../src/hub/catalogue/records.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { flistOf } from '../../support/flist-package.ts';
import { UsersHub } from '../../support/hub-users.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const FLIST = flistOf('hello');
const SIGNATURE = [
  'g8ufs signature 1',
  `key ${'ab'.repeat(8)}`,
  `root ${'ab'.repeat(32)}`,
  `metadata ${'ab'.repeat(32)}`,
  `ed25519 ${'A'.repeat(86)}==`,
  '',
].join('\n');
const SEED = Buffer.from('0123456789abcdef0123456789abcdef');
const CHUNK = chunkOf('chunk');

const folder = mkdtempSync(join(tmpdir(), 'g8ufs-access-'));
let hub: UsersHub;
let alice: string;
let bob: string;
let carol: string;
before(async () => {
  hub = await UsersHub.start(folder, { signedTokens: { seed: SEED } });
  alice = await hub.user('alice');
  bob = await hub.user('bob');
  carol = await hub.user('carol');
});
after(async () => {
  await hub.hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const flist = (name: string, word = '') => `/api/v1/flists/${name}${word}`;

test('the first start makes an administrator, whose token is in a file for the operator alone', async (t) => {
  const path = hub.hub.firstAdmin?.path as string;
  assert.equal(await readFile(path, 'utf8'), `${hub.admin}\n`);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const me = await hub.json('GET', '/api/v1/user', { token: hub.admin });
  assert.deepEqual(me, { name: 'admin', role: 'admin', scope: 'admin' });

  const dataDir = temporaryDirectory(t);
  const first = await UsersHub.start(dataDir);
  await first.hub.close();
  const second = await UsersHub.start(dataDir);
  t.after(() => second.hub.close());
  assert.equal(second.hub.firstAdmin, undefined);
  assert.equal(await second.status('GET', '/api/v1/users', { token: first.admin }), 200);
});

test('a local hub takes anonymous uploads until it has a second user', async (t) => {
  const local = await UsersHub.start(temporaryDirectory(t));
  t.after(() => local.hub.close());
  assert.equal(await local.status('PUT', flist('free/app'), { body: FLIST }), 201);
  await local.user('dave');
  assert.equal(await local.status('PUT', flist('free/app'), { body: FLIST }), 401);
  const chunk = `/api/v1/chunks/${CHUNK.id}`;
  assert.equal(await local.status('PUT', chunk, { body: CHUNK.bytes }), 401);
  assert.equal(await local.status('GET', '/free/app.flist'), 200);
});

test('a hub that is open to all still keeps what somebody owns', async (t) => {
  const open = await UsersHub.start(temporaryDirectory(t), { anonymousWrites: 'all' });
  t.after(() => open.hub.close());
  const dave = await open.user('dave');
  assert.equal(await open.status('PUT', flist('free/app'), { body: FLIST }), 201);
  assert.equal(await open.status('PUT', flist('dave/app'), { body: FLIST }), 401);
  assert.equal(await open.status('PUT', flist('dave/app'), { token: dave, body: FLIST }), 201);
  assert.equal(await open.status('PUT', flist('dave/app'), { body: FLIST }), 401);
  assert.equal(await open.status('DELETE', flist('dave/app')), 401);
});

test('users write in their own repositories only', async () => {
  assert.equal(await hub.status('PUT', flist('alice/app'), { token: alice, body: FLIST }), 201);
  const body = Buffer.from(SIGNATURE);
  for (const [token, status] of [
    [bob, 403],
    [undefined, 401],
  ] as const) {
    const refused = async (method: string, path: string, bytes?: Uint8Array) =>
      assert.equal(await hub.status(method, path, { token, body: bytes }), status, path);
    await refused('PUT', flist('alice/app'), FLIST);
    await refused('PUT', flist('alice/app', '/signature'), body);
    await refused('DELETE', flist('alice/app'));
    // Not there yet, and not theirs to make.
    await refused('PUT', flist('carol/app'), FLIST);
  }
  assert.equal(
    await hub.status('PUT', flist('alice/app', '/signature'), { token: alice, body }),
    204,
  );
  assert.equal(await hub.status('GET', '/alice/app.flist.sig'), 200);
});

test('a token does what its scope says and no more', async () => {
  const [read, publish] = [await hub.token('bob', 'read'), await hub.token('bob', 'publish')];
  const put = (token: string) => hub.status('PUT', flist('bob/app'), { token, body: FLIST });
  assert.deepEqual([await put(read), await put(publish)], [403, 201]);
  const chunk = `/api/v1/chunks/${CHUNK.id}`;
  assert.equal(await hub.status('PUT', chunk, { token: read, body: CHUNK.bytes }), 403);
  for (const token of [read, publish]) {
    const body = { scope: 'admin' };
    assert.equal(await hub.status('POST', '/api/v1/tokens', { token, body }), 403);
    const change = { visibility: 'private' };
    assert.equal(
      await hub.status('PATCH', '/api/v1/repositories/bob', { token, body: change }),
      403,
    );
  }
});

test('what is for administrators is refused to others', async () => {
  const asked: [method: string, path: string, body?: object][] = [
    ['GET', '/api/v1/users'],
    ['POST', '/api/v1/users', { name: 'mallory', role: 'admin' }],
    ['GET', '/api/v1/users/alice'],
    ['PATCH', '/api/v1/users/bob', { role: 'admin' }],
    ['PATCH', '/api/v1/users/alice', { password: 'something long' }],
    ['GET', '/api/v1/audit'],
    ['GET', '/api/v1/tokens?user=alice'],
    ['POST', '/api/v1/tokens', { user: 'alice', scope: 'read' }],
    ['PATCH', '/api/v1/repositories/bob', { official: true }],
    ['PATCH', '/api/v1/repositories/bob', { owner: 'alice' }],
  ];
  await hub.status('PUT', flist('bob/app'), { token: bob, body: FLIST });
  for (const [method, path, body] of asked) {
    assert.equal(await hub.status(method, path, { token: bob, body }), 403, `${method} ${path}`);
    assert.equal(await hub.status(method, path, { body }), 401, `${method} ${path}`);
  }
  // An administrator's token that is not for that.
  const token = await hub.token('admin', 'publish');
  assert.equal(await hub.status('GET', '/api/v1/users', { token }), 403);
});

test('forged, changed and revoked tokens are refused, each time anew', async () => {
  const { id, token } = await hub.json<{ id: string; token: string }>('POST', '/api/v1/tokens', {
    token: alice,
    body: { scope: 'publish', note: 'for a build', days: 1 },
  });
  const me = (authorization: string) =>
    hub.status('GET', '/api/v1/user', { headers: { authorization } });
  assert.equal(await me(`Bearer ${token}`), 200);
  assert.equal(await me(`bearer   ${token}`), 200);
  assert.equal(await me(`Basic ${Buffer.from(`alice:${token}`).toString('base64')}`), 200);
  const last = token.at(-1) === '0' ? '1' : '0';
  for (const bad of [
    `Bearer ${token.slice(0, -1)}${last}`,
    `Bearer g8_${'0'.repeat(16)}_${'0'.repeat(64)}`,
    `Bearer ${token.slice(3)}`,
    `Digest ${token}`,
    token,
    'Bearer',
    'Bearer a.b.c',
    'Basic !!!',
  ]) {
    assert.equal(await me(bad), 401, bad);
  }
  const listed = await hub.json<{ tokens: { id: string; used?: string }[] }>(
    'GET',
    '/api/v1/tokens',
    { token: alice },
  );
  assert.notEqual(listed.tokens.find((one) => one.id === id)?.used, undefined);
  assert(!JSON.stringify(listed).includes(token.slice(20)), 'the secret is shown once');
  assert.equal(await hub.status('DELETE', `/api/v1/tokens/${id}`, { token: bob }), 404);
  assert.equal(await hub.status('DELETE', `/api/v1/tokens/${id}`, { token }), 204);
  assert.equal(await me(`Bearer ${token}`), 401);
  assert.equal(await hub.status('DELETE', `/api/v1/tokens/${id}`, { token: alice }), 404);
});

test('a token that has expired is refused', async (t) => {
  const dataDir = temporaryDirectory(t);
  const first = await UsersHub.start(dataDir);
  const token = await first.token('admin', 'admin');
  await first.hub.close();
  const id = token.slice(3, 19);
  const catalogue = await openCatalogue(`level:${dataDir}/catalogue`);
  await catalogue.transaction(async (transaction) => {
    const present = await transaction.get(TOKEN, id);
    assert(present !== undefined);
    transaction.put(TOKEN, [id], { ...present, expires: Date.now() - 1 });
  });
  await catalogue.close();
  const second = await UsersHub.start(dataDir);
  t.after(() => second.hub.close());
  const response = await second.ask('GET', '/api/v1/user', { token });
  assert.equal(response.status, 401);
  assert.match(await response.text(), /has expired/);
});

test('every request proves itself: credentials of the one before do not count', async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const status = (headers: Record<string, string>) =>
    new Promise((resolve, reject) => {
      httpRequest(`${hub.url}/api/v1/user`, { agent, headers }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
        .on('error', reject)
        .end();
    });
  const authorization = `Bearer ${alice}`;
  assert.equal(await status({ authorization }), 200);
  assert.equal(await status({}), 401);
  assert.equal(await status({ cookie: 'active-user=alice; session=alice' }), 401);
});

test('a private repository is not there for those who may not look into it', async () => {
  const body = { name: 'secret', visibility: 'private' };
  assert.equal(await hub.status('POST', '/api/v1/repositories', { token: alice, body }), 201);
  assert.equal(await hub.status('PUT', flist('secret/app'), { token: alice, body: FLIST }), 201);
  const signature = { token: alice, body: Buffer.from(SIGNATURE) };
  assert.equal(await hub.status('PUT', flist('secret/app', '/signature'), signature), 204);
  const paths = [
    '/secret/app.flist',
    '/secret/app.flist.md5',
    '/secret/app.flist.sig',
    '/api/v1/repositories/secret',
  ];
  const lists = async (token?: string) => {
    const asked = { token };
    const flists = await hub.json('GET', '/api/v1/flists', asked);
    const repositories = await hub.json('GET', '/api/v1/repositories', asked);
    return JSON.stringify([flists, repositories]).includes('secret');
  };
  const member = '/api/v1/repositories/secret/members/carol';
  for (const [who, token, status] of [
    ['anonymous', undefined, 404],
    ['bob', bob, 404],
    ['alice', alice, 200],
    ['an administrator', hub.admin, 200],
    ['carol, who reads', carol, 200],
  ] as const) {
    if (token === carol) {
      await hub.status('PUT', member, { token: alice, body: { right: 'read' } });
    }
    for (const path of paths) {
      const response = await hub.ask('GET', path, { token });
      assert.equal(response.status, status, `${who}: ${path}`);
      const text = await response.text();
      // What is said about it is what is said about any that is not there.
      const other = await (
        await hub.ask('GET', path.replace('secret', 'nobody'), { token })
      ).text();
      const plain = (answer: string) => answer.replace(/"requestId":"[^"]+"/, '');
      if (status === 404) assert.equal(plain(text), plain(other), path);
      if (status === 200 && !path.startsWith('/api')) {
        assert.match(response.headers.get('cache-control') ?? '', /^private/, path);
        assert.equal(response.headers.get('access-control-allow-origin'), null, path);
      }
    }
    assert.equal(await lists(token), status === 200, who);
  }
  assert.equal(await hub.status('PUT', flist('secret/app'), { token: carol, body: FLIST }), 403);
  assert.equal(await hub.status('PUT', member, { token: carol, body: { right: 'publish' } }), 403);
  await hub.status('PUT', member, { token: alice, body: { right: 'publish' } });
  assert.equal(await hub.status('PUT', flist('secret/app'), { token: carol, body: FLIST }), 200);
  assert.equal(await hub.status('DELETE', member, { token: alice }), 204);
  assert.equal(await hub.status('GET', '/secret/app.flist', { token: carol }), 404);
  const open = { token: alice, body: { visibility: 'public' } };
  assert.equal(await hub.status('PATCH', '/api/v1/repositories/secret', open), 200);
  assert.equal(await hub.status('GET', '/secret/app.flist'), 200);
});

test('signing in gives a session, which ends with the password', async () => {
  await hub.user('erin', { password: 'correct horse' });
  const signIn = (body: object) => hub.ask('POST', '/api/v1/signin', { body });
  for (const body of [
    { username: 'erin', password: 'wrong horse' },
    { username: 'nobody', password: 'correct horse' },
    { username: 'bob', password: '' },
    { username: '../erin', password: 'correct horse' },
  ]) {
    assert.equal((await signIn(body)).status, 401);
  }
  const session = async (scope: string, password = 'correct horse') => {
    const response = await signIn({ username: 'erin', password, scope });
    assert.equal(response.status, 201);
    return ((await response.json()) as { access_token: string }).access_token;
  };
  const [publish, admin] = [await session('publish'), await session('admin')];
  assert.equal(await hub.status('PUT', flist('erin/app'), { token: publish, body: FLIST }), 201);
  const change = { password: 'another horse' };
  const path = '/api/v1/users/erin';
  assert.equal(await hub.status('PATCH', path, { token: publish, body: change }), 403);
  assert.equal(await hub.status('PATCH', path, { token: admin, body: { role: 'admin' } }), 403);
  assert.equal(await hub.status('PATCH', path, { token: admin, body: change }), 200);
  assert.equal(await hub.status('GET', '/api/v1/user', { token: admin }), 401);
  const again = await session('read', 'another horse');
  assert.equal(await hub.status('GET', '/api/v1/user', { token: again }), 200);
  const off = { token: hub.admin, body: { disabled: true } };
  assert.equal(await hub.status('PATCH', path, off), 200);
  assert.equal(await hub.status('GET', '/api/v1/user', { token: again }), 401);
  assert.equal((await signIn({ username: 'erin', password: 'another horse' })).status, 401);
});

test('guessing is bounded for each address', async (t) => {
  const small = await UsersHub.start(temporaryDirectory(t), { limits: { failureCountMax: 3 } });
  t.after(() => small.hub.close());
  const me = (token: string) => small.ask('GET', '/api/v1/user', { token });
  const signIn = { body: { username: 'admin', password: 'guess number 1' } };
  assert.equal((await me('wrong')).status, 401);
  assert.equal((await me(small.admin)).status, 200);
  assert.equal(await small.status('POST', '/api/v1/signin', signIn), 401);
  assert.equal((await me('wrong')).status, 401);
  const response = await me(small.admin);
  assert.equal(response.status, 429);
  assert.match(response.headers.get('retry-after') ?? '', /^\d+$/);
  assert.equal(await small.status('POST', '/api/v1/signin', signIn), 429);
  assert.equal(await small.status('GET', '/api/v1/flists'), 200, 'nobody is asked for credentials');
});

test('a signed token of the historical hub is its user, and never an administrator', async () => {
  const tokens = new SignedTokens(SEED);
  const put = (user: string, name: string) =>
    hub.status('PUT', flist(name), { token: tokens.make(user), body: FLIST });
  assert.equal(await put('alice', 'alice/signed'), 201);
  assert.equal(await put('alice', 'bob/signed'), 403);
  assert.equal(await put('nobody', 'nobody/signed'), 401);
  assert.equal(await hub.status('GET', '/api/v1/users', { token: tokens.make('admin') }), 403);
  const forged = new SignedTokens(Buffer.alloc(32, 1)).make('alice');
  assert.equal(await hub.status('GET', '/api/v1/user', { token: forged }), 401);
});

test('the last administrator stays one', async () => {
  const change = (body: object) =>
    hub.status('PATCH', '/api/v1/users/admin', { token: hub.admin, body });
  assert.equal(await change({ role: 'user' }), 409);
  assert.equal(await change({ disabled: true }), 409);
});

test('bad names and bodies are refused and leave no user behind', async () => {
  const post = (path: string, body: object) => hub.status('POST', path, { token: hub.admin, body });
  for (const name of ['', 'me', '../x', 'a/b', 'a\r\nX-Evil: 1', 'a\0b', '-x', 'x'.repeat(201)]) {
    assert.equal(await post('/api/v1/users', { name }), 400, JSON.stringify(name));
    assert.equal(await post('/api/v1/repositories', { name }), 400, JSON.stringify(name));
  }
  assert.equal(await post('/api/v1/users', { name: 'frank', password: 'short' }), 400);
  assert.equal(await post('/api/v1/users', { name: 'frank', isAdmin: true }), 400);
  assert.equal(await post('/api/v1/users', { name: 'alice' }), 409);
  assert.equal(await post('/api/v1/repositories', { name: 'alice' }), 409);
  const paths = [
    '/api/v1/users/a%0d%0aX-Evil:%201',
    '/api/v1/users/a%00b',
    '/api/v1/tokens/%0d%0a',
  ];
  for (const path of [...paths, '/api/v1/repositories/%0d%0a/members/x']) {
    const response = await hub.ask(path.includes('tokens') ? 'DELETE' : 'GET', path, {
      token: hub.admin,
    });
    assert([400, 404, 405].includes(response.status), `${path}: ${response.status}`);
    assert.equal(response.headers.get('x-evil'), null);
  }
  assert.equal(await hub.status('GET', '/api/v1/users?after=a%00b', { token: hub.admin }), 400);
  const users = await hub.json<{ users: { name: string }[] }>('GET', '/api/v1/users', {
    token: hub.admin,
  });
  const names = users.users.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 4), ['admin', 'alice', 'bob', 'carol']);
});

test('the audit log says who did what, the newest first', async () => {
  await hub.status('PUT', flist('bob/logged'), { token: bob, body: FLIST });
  await hub.status('DELETE', flist('bob/logged'), { token: bob });
  const { lines } = await hub.json<{ lines: { user: string; action: string; target: string }[] }>(
    'GET',
    '/api/v1/audit',
    { token: hub.admin },
  );
  const own = lines.filter(({ target }) => target === 'bob/logged.flist');
  assert.deepEqual(
    own.map(({ user, action }) => [user, action]),
    [
      ['bob', 'flist.delete'],
      ['bob', 'flist.publish'],
    ],
  );
  assert(lines.some(({ user, action }) => user === 'admin' && action === 'user.create'));
});
