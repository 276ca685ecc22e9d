/** The own repository as zflist changes it: links, crosslinks, tags, names; by GET, and by POST and PUT as well. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { flistOf } from '../../../support/flist-package.ts';
import {
  assertDone,
  assertFailure,
  type OldClient,
  startOldHub,
} from '../../../support/old-client.ts';

const ends: (() => Promise<void> | void)[] = [];
let client: OldClient;

before(async () => {
  const started = await startOldHub({ after: (end) => void ends.push(end as () => void) });
  client = started.client;
  for (const name of ['bob/app', 'bob/tools']) {
    await client.send('PUT', `/api/v1/flists/${name}`, flistOf(name));
  }
});

after(async () => {
  for (const end of ends.reverse()) await end();
});

const me = (path: string) => `/api/flist/me/${path}`;
const md5Of = async (path: string) => (await client.get(`/${path}.flist.md5`)).text;

async function names(): Promise<string[]> {
  return (await client.get('/api/flist'))
    .json<string[]>()
    .filter((name) => name.startsWith('Administrator/'))
    .map((name) => name.slice('Administrator/'.length));
}

test('promote copies a flist and says what to where', async () => {
  const answer = await client.get(me('promote/bob/app/mine'));
  assert.deepEqual(answer.json(), {
    status: 'success',
    payload: {
      source: { username: 'bob', filename: 'app.flist' },
      destination: { username: 'Administrator', filename: 'mine.flist' },
    },
  });
  assert.equal(await md5Of('Administrator/mine'), await md5Of('bob/app'));
  assertFailure(await client.get(me('promote/bob/none/x')), 404, 'source not found');
  assertFailure(await client.get(me('promote/none/app/x')), 404, 'source repository not found');
  assertFailure(await client.get(me('promote/bob/app/..%2fx')), 400, 'this name is not allowed');
});

test('link replaces links, but not flists', async () => {
  assertDone(await client.get(me('mine.flist/link/current')));
  assert.equal(await md5Of('Administrator/current'), await md5Of('bob/app'));
  assert.equal((await client.get(me('promote/bob/tools/second'))).status, 200);
  assertDone(await client.post(me('second/link/current')));
  assert.equal(await md5Of('Administrator/current'), await md5Of('bob/tools'));
  const occupied = 'link destination is already a file';
  assertFailure(await client.get(me('second/link/mine')), 401, occupied);
  assertFailure(await client.get(me('second/link/second')), 401, occupied);
  assertFailure(await client.get(me('none/link/current')), 404, 'source not found');
  assertFailure(await client.get(me('mine/link/.hidden')), 400, 'this name is not allowed');
});

test('crosslink leads to another repository', async () => {
  assertDone(await client.send('PUT', me('theirs/crosslink/bob/app')));
  assert.equal(await md5Of('Administrator/theirs'), await md5Of('bob/app'));
  assertFailure(await client.get(me('x/crosslink/none/app')), 404, 'source repository not found');
  assertFailure(await client.get(me('x/crosslink/bob/none')), 404, 'source not found');
  assertFailure(
    await client.get(me('mine/crosslink/bob/app')),
    401,
    'link destination is already a file',
  );
});

test('rename moves flists and links, over what has the name', async () => {
  const md5 = await md5Of('Administrator/second');
  assertDone(await client.get(me('second/rename/mine')));
  assert.equal(await md5Of('Administrator/mine'), md5);
  assertDone(await client.get(me('theirs/rename/ours')));
  assertFailure(await client.get(me('second/rename/third')), 404, 'source not found');
  assertFailure(await client.get(me('mine/rename/a%00b')), 400, 'this name is not allowed');
  // Its target was renamed: the link stays, and leads nowhere.
  assert.deepEqual(await names(), ['current.flist', 'mine.flist', 'ours.flist']);
  assert.equal((await client.get('/Administrator/current.flist')).status, 404);
});

test('tags come with their first link and go with the last', async () => {
  assertDone(await client.get(me('v1/app/tag/bob/app')));
  assertDone(await client.get(me('v1/tools/tag/bob/tools')));
  assertDone(await client.get(me('v1/app/tag/bob/tools')));
  assert.equal(await md5Of('Administrator/tags/v1/app'), await md5Of('bob/tools'));
  assertFailure(await client.get(me('v1/x/tag/bob/none')), 404, 'source not found');
  assertFailure(await client.get(me('.v/x/tag/bob/app')), 400, 'this name is not allowed');
  assertDone(await client.delete(me('v1/app/tag/bob/tools')));
  assertFailure(
    await client.delete(me('v1/app/tag/bob/tools')),
    404,
    'target not found on this tag',
  );
  assertDone(await client.delete(me('v1/tools/tag/bob/tools')));
  assertFailure(await client.get('/api/flist/Administrator/tags/v1'), 404, 'tag not found');
});

test('crosstag links to a tag under a name without extension', async () => {
  assertDone(await client.get(me('v2/app/tag/bob/app')));
  assertDone(await client.get(me('stable/crosstag/Administrator/v2')));
  assert((await names()).includes('stable'));
  const missing = 'source tag not found';
  assertFailure(await client.get(me('x/crosstag/Administrator/none')), 404, missing);
  assertFailure(
    await client.get(me('x.flist/crosstag/Administrator/v2')),
    401,
    'tag symlink cannot ends with .flist',
  );
  assertFailure(
    await client.get(me('mine/crosstag/Administrator/v2')),
    401,
    'there is a .flist file with the same name existing already',
  );
  assertDone(await client.delete(me('stable/crosstag/Administrator/v2')));
  assertFailure(
    await client.delete(me('stable/crosstag/Administrator/v2')),
    404,
    'source not found',
  );
});

test('DELETE takes a flist, a link, and else the link to a tag of the name', async () => {
  assertDone(await client.get(me('mine2/crosstag/Administrator/v2')));
  assertDone(await client.get(me('mine/rename/mine2')));
  assertDone(await client.delete(me('mine2')));
  assert((await names()).includes('mine2'));
  assertDone(await client.delete(me('mine2')));
  assertFailure(await client.delete(me('mine2')), 404, 'source not found');
  assertDone(await client.delete(me('ours.flist')));
  assert.equal((await client.get('/bob/app.flist')).status, 200);
});

test('HEAD changes nothing', async () => {
  assert.equal((await client.send('HEAD', me('promote/bob/app/head'))).status, 405);
  assert(!(await names()).includes('head.flist'));
});
