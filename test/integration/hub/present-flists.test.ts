/** Flists out of what the hub has: large ones in pieces, copies of other names, tags, searches. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import { LARGE_FLIST_SIZE } from '../../../src/store/flist-pieces.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { PIECE_SIZE } from '../../../src/store/hub-protocol.ts';
import { tarOf } from '../../support/flist-package.ts';
import { UsersHub } from '../../support/hub-users.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const PIECE_COUNT = LARGE_FLIST_SIZE / PIECE_SIZE + 2;

async function world(t: TestContext) {
  const hub = await UsersHub.start(temporaryDirectory(t));
  t.after(() => hub.hub.close());
  const alice = await hub.user('alice');
  const bob = await hub.user('bob');
  const client = (token: string) => {
    const made = new HubClient(hub.url, { http: { token } });
    t.after(() => made.close());
    return made;
  };
  const bytes = tarOf(randomBytes(PIECE_COUNT * PIECE_SIZE - 4096));
  const source = join(temporaryDirectory(t), 'large.flist');
  writeFileSync(source, bytes);
  const pieces = Array.from({ length: Math.ceil(bytes.length / PIECE_SIZE) }, (_, i) => {
    const piece = bytes.subarray(i * PIECE_SIZE, (i + 1) * PIECE_SIZE);
    return { id: toHex(blake2b(piece, 32)), bytes: piece };
  });
  return { hub, alice, bob, client, bytes, source, pieces };
}

test('a large flist that was cut is pushed on: pieces that are there are not sent again', async (t) => {
  const { hub, alice, client, bytes, source, pieces } = await world(t);
  const pusher = client(alice);
  // What an upload that was cut has left.
  for await (const sent of pusher.uploadChunks(pieces.slice(0, 7))) assert('outcome' in sent);
  const progress: number[] = [];
  const receipt = await pusher.uploadFlist(
    { repository: 'alice', name: 'large', source },
    { onProgress: (done) => progress.push(done) },
  );
  assert.equal(receipt.digest, toHex(blake2b(bytes, 32)));
  assert.equal(progress[0], bytes.length - (pieces.length - 7) * PIECE_SIZE);
  assert.equal(progress.length, 1 + pieces.length - 7);
  const response = await fetch(`${hub.url}/alice/large.flist`);
  assert(Buffer.from(await response.arrayBuffer()).equals(bytes));
  // Again: nothing at all.
  progress.length = 0;
  await pusher.uploadFlist(
    { repository: 'alice', name: 'again', source },
    { onProgress: (done) => progress.push(done) },
  );
  assert.deepEqual(progress, [bytes.length]);
});

test('pieces of somebody else, missing, of wrong sizes or in wrong number make no flist', async (t) => {
  const { hub, alice, bob, client, bytes, pieces } = await world(t);
  for await (const sent of client(alice).uploadChunks(pieces)) assert('outcome' in sent);
  const ids = pieces.map(({ id }) => id);
  const post = (token: string, body: object) =>
    hub.status('POST', `/api/v1/flists/${token === bob ? 'bob' : 'alice'}/x`, { token, body });
  const size = bytes.length;
  assert.equal(await post(bob, { pieces: ids, size }), 409);
  assert.equal(await post(alice, { pieces: [...ids.slice(1), 'ab'.repeat(32)], size }), 409);
  assert.equal(await post(alice, { pieces: ids.slice(1), size }), 400);
  assert.equal(await post(alice, { pieces: [...ids].reverse(), size }), 400);
  assert.equal(await post(alice, { pieces: ids, size: size - 1 }), 400);
  assert.equal(await post(alice, { pieces: ids, size: 2 ** 40 }), 413);
  assert.equal(await post(alice, { pieces: ['../../etc/passwd'], size: 1 }), 400);
  assert.equal(await post(alice, { pieces: [ids[1]], size: PIECE_SIZE }), 422);
  assert.equal(await hub.status('GET', '/alice/x.flist'), 404);
  assert.equal(await post(alice, { pieces: ids, size }), 201);
  assert.equal(await post(alice, { pieces: ids, size }), 200);
});

test('a copy is of what the caller may read, into where they may publish', async (t) => {
  const { hub, alice, bob, client, source } = await world(t);
  await hub.json('POST', '/api/v1/repositories', {
    token: alice,
    body: { name: 'closed', visibility: 'private' },
  });
  await client(alice).uploadFlist({ repository: 'closed', name: 'app', source });
  const copy = (token: string, from: string, to: string) =>
    hub.status('POST', `/api/v1/flists/${to}`, { token, body: { from } });
  assert.equal(await copy(bob, 'closed/app', 'bob/app'), 404);
  assert.equal(await copy(alice, 'closed/app', 'bob/app'), 403);
  assert.equal(await copy(alice, 'closed/../app', 'alice/app'), 404);
  assert.equal(await copy(alice, 'closed/app', 'alice/app'), 201);
  assert.equal(await hub.status('GET', '/alice/app.flist', { token: bob }), 200);
  const anonymous = await hub.status('POST', '/api/v1/flists/open/app', {
    body: { from: 'alice/app' },
  });
  assert.equal(anonymous, 401);
});

test('a tag is set and removed by who may publish in its repository, and shows nothing private', async (t) => {
  const { hub, alice, bob, client, source } = await world(t);
  await client(alice).uploadFlist({ repository: 'alice', name: 'app', source });
  await hub.json('POST', '/api/v1/repositories', {
    token: alice,
    body: { name: 'closed', visibility: 'private' },
  });
  await client(alice).uploadFlist({ repository: 'closed', name: 'app', source });
  const path = '/api/v1/tags/bob/stable/app';
  const set = (token: string | undefined, from: string) =>
    hub.status('PUT', path, { token, body: { from } });
  assert.equal(await set(undefined, 'alice/app'), 401);
  assert.equal(await set(alice, 'alice/app'), 403);
  assert.equal(await set(bob, 'closed/app'), 404);
  assert.equal(await set(bob, 'alice/none'), 404);
  assert.equal(await hub.status('PUT', path, { token: bob, body: { from: 1 } }), 400);
  assert.equal(await set(bob, 'alice/app'), 204);
  assert.equal(await hub.status('GET', '/bob/tags/stable/app.flist'), 200);
  const wrong = await hub.status('PUT', '/api/v1/tags/bob/..%2f/app', {
    token: bob,
    body: { from: 'alice/app' },
  });
  assert.equal(wrong, 400);
  assert.equal(await hub.status('DELETE', path, { token: alice }), 403);
  assert.equal(await hub.status('DELETE', path, { token: bob }), 204);
  assert.equal(await hub.status('DELETE', path, { token: bob }), 404);
});

test('a search finds names with all words, and none of what is private', async (t) => {
  const { alice, bob, hub, client, source } = await world(t);
  await hub.json('POST', '/api/v1/repositories', {
    token: alice,
    body: { name: 'closed', visibility: 'private' },
  });
  for (const repository of ['alice', 'closed']) {
    await client(alice).uploadFlist({ repository, name: 'Web-Server', source });
    await client(alice).uploadFlist({ repository, name: 'database', source });
  }
  const find = async (token: string, ...words: string[]) => {
    const found: string[] = [];
    for await (const { repository, name } of client(token).listFlists({ words })) {
      found.push(`${repository}/${name}`);
    }
    return found;
  };
  assert.deepEqual(await find(bob, 'web'), ['alice/Web-Server.flist']);
  assert.deepEqual(await find(alice, 'SERVER', 'web'), [
    'alice/Web-Server.flist',
    'closed/Web-Server.flist',
  ]);
  assert.deepEqual(await find(alice, 'closed', 'data'), ['closed/database.flist']);
  assert.equal((await find(alice)).length, 4);
});

test('a flist that is not on the hub is no source', async (t) => {
  const { alice, client } = await world(t);
  const to = { repository: 'alice', name: 'b' };
  await assert.rejects(
    client(alice).copyFlist({ repository: 'alice', name: 'a' }, to),
    (error) => isG8Error(error, 'ERR_NO_INPUT') && /alice\/a is not on/.test(error.message),
  );
});
