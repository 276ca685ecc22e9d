/** What a hub refuses, by raw requests: the items that docs/hub.md lists and that no other test drives. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SignedTokens } from '../../../src/hub/access/signed-token.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { addon } from '../../../src/native/load.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { flistOf } from '../../support/flist-package.ts';
import { UsersHub } from '../../support/hub-users.ts';
import { multipart } from '../../support/old-client.ts';
import { TAR_END, tarFile } from '../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const FLIST = flistOf('security');

async function start(t: TestContext, options: Partial<HubOptions> = {}) {
  const hub = await UsersHub.start(temporaryDirectory(t), options);
  t.after(() => hub.hub.close());
  const alice = await hub.user('alice');
  const bob = await hub.user('bob');
  return { hub, alice, bob };
}

/** A request whose path goes as it is: `fetch` would clean it up. */
async function raw(
  hub: UsersHub,
  method: string,
  path: string,
  token: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  const { hostname, port } = new URL(hub.url);
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      { hostname, port, method, path, headers: { authorization: `Bearer ${token}`, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (piece) => {
          text += piece;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Sends bytes and gives what comes back until the connection is closed. */
async function talk(hub: UsersHub, text: string): Promise<string> {
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  socket.write(text);
  let answer = '';
  for await (const piece of socket) answer += piece;
  return answer;
}

const NAMES = [
  '..',
  '%2e%2e',
  '..%2f..%2fetc',
  'a%2fb',
  '.hidden',
  '-rf',
  'a%00b',
  'a%0d%0ab',
  'api',
];

test('no name leads elsewhere: not of repositories, flists, tags, users, chunks', async (t) => {
  const { hub, alice } = await start(t);
  const json = { 'content-type': 'application/json' };
  for (const name of NAMES) {
    for (const [method, path, body] of [
      ['PUT', `/api/v1/flists/${name}/app`, FLIST],
      ['POST', `/api/v1/flists/${name}/app`, '{"from":"alice/app"}'],
      ['PUT', `/api/v1/tags/${name}/stable/app`, '{"from":"alice/app"}'],
      ['PATCH', `/api/v1/repositories/${name}`, '{"visibility":"public"}'],
      ['GET', `/api/v1/users/${name}`, undefined],
      ['GET', `/api/v1/chunks/${name}`, undefined],
      ['GET', `/${name}/${name}.flist`, undefined],
      ['GET', `/website/${name}/x`, undefined],
    ] as const) {
      const headers = typeof body === 'string' ? json : {};
      const { status } = await raw(hub, method, path, alice, body, headers);
      assert([400, 403, 404].includes(status), `${method} ${path}: ${status}`);
    }
    // `api` is a name that flists and tags may have.
    if (name === 'api') continue;
    for (const path of [`/api/v1/flists/alice/${name}`, `/api/v1/tags/alice/${name}/app`]) {
      const { status } = await raw(hub, 'PUT', path, alice, '{"from":"alice/app"}', json);
      assert([400, 404, 415].includes(status), `PUT ${path}: ${status}`);
    }
    const made = await raw(hub, 'GET', `/api/flist/me/app/rename/${name}`, alice);
    assert([400, 404].includes(made.status), `rename to ${name}: ${made.status}`);
  }
  for (const from of [
    '../alice/app',
    'alice/../../x',
    '/etc/passwd',
    'alice/app/x',
    'alice\0/app',
  ]) {
    const body = JSON.stringify({ from });
    const { status } = await raw(hub, 'POST', '/api/v1/flists/alice/x', alice, body, json);
    assert.equal(status, 404, from);
  }
});

test('a name of an uploaded file is a name, whatever the form or X-Original-Name says', async (t) => {
  const { hub, alice } = await start(t, { addon: addon() });
  const archive = gzipSync(Buffer.concat([tarFile({ name: 'a' }, 'x'), TAR_END]));
  for (const name of ['../../evil', '/etc/evil', '..\\evil', '.evil', 'evil\u0000']) {
    const form = multipart([{ name: 'file', value: archive, fileName: `${name}.tar.gz` }]);
    const { status } = await raw(hub, 'POST', '/api/flist/me/upload', alice, form.body, {
      'content-type': form.type,
    });
    assert([200, 400].includes(status), `${JSON.stringify(name)}: ${status}`);
  }
  const form = multipart([{ name: 'file', value: archive, fileName: 'a.tar.gz' }]);
  await raw(hub, 'POST', '/api/flist/me/upload', alice, form.body, {
    'content-type': form.type,
    'x-original-name': '../../bob/evil.tar.gz',
  });
  const listed = await hub.json<string[]>('GET', '/api/flist');
  assert(
    listed.every((name) => /^alice\/[\w.-]+\.flist$/.test(name)),
    listed.join(' '),
  );
});

test('no text of a request becomes a header or a second answer', async (t) => {
  const { hub, alice } = await start(t);
  await hub.ask('PUT', '/api/v1/flists/alice/app', { token: alice, body: FLIST });
  const split = '%0d%0aset-cookie:%20evil=1%0d%0a%0d%0a<html>';
  for (const path of [
    `/alice/app.flist${split}`,
    `/${split}/app.flist`,
    `/search?q=${split}`,
    `/login?next=${split}`,
    `/login?next=https://evil.example/`,
    `/api/v1/flists?after=${split}`,
    `/api/flist/${split}`,
    `/alice/app.flist/raw/${split}`,
    `/api/v1/file/${'ab'.repeat(32)}?x=${split}`,
  ]) {
    const { headers, text } = await raw(hub, 'GET', path, alice);
    assert.equal(headers['set-cookie'], undefined, path);
    assert.doesNotMatch(String(headers['location'] ?? ''), /evil\.example|[\r\n]/, path);
    assert.doesNotMatch(text, /<html>(?!.*<head)/s, path);
  }
  // Two requests in one, by lengths that disagree.
  for (const head of [
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    'Transfer-Encoding: identity, chunked, x\r\n',
  ]) {
    const answer = await talk(
      hub,
      `PUT /api/v1/chunks/${'ab'.repeat(32)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head}\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, head);
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, head);
  }
});

for (const [what, method, path, headers] of [
  ['a flist', 'PUT', '/api/v1/flists/alice/app', {}],
  ['chunks', 'POST', '/api/v1/chunks/upload', { 'content-type': 'application/vnd.g8ufs.chunks' }],
  ['a chunk', 'PUT', `/api/v1/chunks/${'ab'.repeat(32)}`, {}],
  ['a signature', 'PUT', '/api/v1/flists/alice/app/signature', {}],
  [
    'an archive',
    'POST',
    '/api/flist/me/upload',
    { 'content-type': 'multipart/form-data; boundary=x' },
  ],
  ['JSON', 'POST', '/api/v1/repositories', { 'content-type': 'application/json' }],
] as const) {
  test(`${what} that does not come on is given up`, async (t) => {
    const { hub, alice } = await start(t, { limits: { bodyMs: 100, requestMs: 100, idleMs: 400 } });
    const lines = Object.entries({ ...headers, authorization: `Bearer ${alice}` }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const answer = await talk(
      hub,
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n${lines.join('')}\r\n--x\r\n`,
    );
    // Or cut without a word, when nothing came for too long.
    if (answer !== '') assert.match(answer, /^HTTP\/1\.1 4\d\d /);
    assert.equal(await hub.status('GET', '/health'), 200);
  });
}

test('tokens that were good are refused when they are not any more: replayed, revoked, too old', async (t) => {
  const seed = randomBytes(32);
  const { hub, alice } = await start(t, { signedTokens: { seed, ageMsMax: 60_000 } });
  const status = (token: string) => hub.status('GET', '/api/v1/user', { token });
  const { token, id } = await hub.json<{ token: string; id: string }>('POST', '/api/v1/tokens', {
    token: alice,
    body: { scope: 'publish' },
  });
  assert.equal(await status(token), 200);
  await hub.json('PATCH', '/api/v1/users/alice', {
    token: hub.admin,
    body: { password: 'correct horse' },
  });
  const credentials = { username: 'alice', password: 'correct horse' };
  const signIn = async () =>
    (await hub.json<{ access_token: string }>('POST', '/api/v1/signin', { body: credentials }))
      .access_token;
  const session = await signIn();
  assert.equal(await status(session), 200);

  const tokens = new SignedTokens(seed);
  assert.equal(await status(tokens.make('alice', Date.now())), 200);
  assert.equal(await status(tokens.make('alice', Date.now() - 61_000)), 401);
  assert.equal(await status(new SignedTokens(randomBytes(32)).make('alice', Date.now())), 401);

  assert.equal(await hub.status('DELETE', `/api/v1/tokens/${id}`, { token: alice }), 204);
  assert.equal(await status(token), 401);
  await hub.json('PATCH', '/api/v1/users/alice', {
    token: hub.admin,
    body: { password: 'battery staple' },
  });
  assert.equal(await status(session), 401);
  await hub.json('PATCH', '/api/v1/users/alice', { token: hub.admin, body: { disabled: true } });
  assert.equal(await status(alice), 401);
});

test('a session that says of itself that it needs no signature is forged', async (t) => {
  const { hub } = await start(t);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = part({ username: 'admin', scope: 'admin', iat: now, exp: now + 3600 });
  for (const header of [{ alg: 'none' }, { alg: 'HS256' }, { alg: 'HS512', typ: 'JWT' }]) {
    for (const signature of ['', 'AAAA']) {
      const token = `${part(header)}.${claims}.${signature}`;
      assert.equal(await hub.status('GET', '/api/v1/users', { token }), 401);
    }
  }
});

test('nothing is written into what belongs to another, by any route', async (t) => {
  const { hub, alice, bob } = await start(t);
  await hub.ask('PUT', '/api/v1/flists/alice/app', { token: alice, body: FLIST });
  const before = await (await hub.ask('GET', '/alice/app.flist.md5')).text();
  for (const [method, path, body] of [
    ['PUT', '/api/v1/flists/alice/app', flistOf('other')],
    ['DELETE', '/api/v1/flists/alice/app', undefined],
    ['POST', '/api/v1/flists/alice/app', { from: 'alice/app' }],
    ['PUT', '/api/v1/flists/alice/app/signature', Buffer.from('x')],
    ['PUT', '/api/v1/flists/alice/app/profile', Buffer.from('x')],
    ['PUT', '/api/v1/tags/alice/stable/app', { from: 'alice/app' }],
    ['DELETE', '/api/v1/tags/alice/stable/app', undefined],
    ['PATCH', '/api/v1/repositories/alice', { visibility: 'private' }],
    ['PUT', '/api/v1/repositories/alice/members/bob', { right: 'publish' }],
    ['PATCH', '/api/v1/users/alice', { password: 'long enough' }],
  ] as const) {
    const status = await hub.status(method, path, { token: bob, body });
    assert([403, 404].includes(status), `${method} ${path}: ${status}`);
  }
  // A link to somebody's flist, and an upload under its name: the link goes, the flist stays.
  const linked = await hub.status('GET', '/api/flist/me/mine/crosslink/alice/app', { token: bob });
  assert.equal(linked, 200);
  assert.equal(
    await hub.status('PUT', '/api/v1/flists/bob/mine', { token: bob, body: flistOf('mine') }),
    200,
  );
  assert.equal(await (await hub.ask('GET', '/alice/app.flist.md5')).text(), before);
  assert.notEqual(await (await hub.ask('GET', '/bob/mine.flist.md5')).text(), before);
});

test('the rate of an address and of a user is bounded, and says when to come back', async (t) => {
  const { hub, alice } = await start(t, { limits: { requestCountMax: 30 } });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => hub.ask('GET', '/api/v1/user', { token: alice })),
  );
  const refused = answers.filter(({ status }) => status === 429);
  assert(refused.length >= 28, `${refused.length}`);
  for (const { headers } of refused) assert.match(headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  // What watches over it is not refused.
  assert.equal(await hub.status('GET', '/health'), 200);
  assert.equal(await hub.status('GET', '/ready'), 200);
});

test('bytes that are not those of their id are kept by no route', async (t) => {
  const { hub, alice } = await start(t);
  const { id } = chunkOf('right');
  const put = { token: alice, body: Buffer.from('wrong') };
  assert.equal(await hub.status('PUT', `/api/v1/chunks/${id}`, put), 422);
  assert.equal(await hub.status('GET', `/api/v1/chunks/${id}`, { token: alice }), 404);
  const missing = await hub.json('POST', '/api/v1/chunks/missing', {
    token: alice,
    body: { ids: [id] },
  });
  assert.deepEqual(missing, { missing: [id] });
});
