/** Uploads and merging as zflist does them: archives, ready flists, and what is refused. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadFlist } from '../../../../src/image/load.ts';
import { readContent } from '../../../../src/image/read.ts';
import { addon } from '../../../../src/native/load.ts';
import { HttpStore } from '../../../../src/store/http.ts';
import { fixturesDir } from '../../../support/fixtures.ts';
import { flistOf } from '../../../support/flist-package.ts';
import {
  assertDone,
  assertFailure,
  multipart,
  type OldClient,
  startOldHub,
} from '../../../support/old-client.ts';
import { paxHeader, TAR_END, tarFile } from '../../../support/tar-blocks.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const fixtures = fixturesDir();
const skip = fixtures === undefined ? 'the folder of fixtures is not there' : false;
const ARCHIVE = archive(
  tarFile({ name: 'etc/', type: '5', mode: '0000755\0' }),
  tarFile({ name: 'etc/motd', mode: '0004711\0', uid: '0001750\0' }, 'Welcome\n'),
  tarFile({ name: 'link', type: '2', link: 'etc/motd' }),
  tarFile({ name: '.README.md' }, '# First\n'),
  tarFile({ name: '.README' }, '# Second\n'),
);
const UNPACKED_FREE = 4 * 1024 * 1024;

function archive(...entries: readonly Uint8Array[]): Buffer {
  return gzipSync(Buffer.concat([...entries, TAR_END]));
}

const ends: (() => Promise<void> | void)[] = [];
let client: OldClient;
let dataDir: string;
let url: string;

before(async () => {
  const started = await startOldHub(
    { after: (end) => void ends.push(end as () => void) },
    {
      limits: {
        archiveEntryCountMax: 20,
        archiveSizeMax: 1024 * 1024,
        archiveRatioMax: 10,
        archiveFreeSize: UNPACKED_FREE,
      },
    },
  );
  ({ client, dataDir } = started);
  url = started.hub.url;
});

after(async () => {
  for (const end of ends.reverse()) await end();
});

/** Nothing is left of requests but what they have published. */
function assertNoLeftovers(): void {
  assert.deepEqual(readdirSync(join(dataDir, 'tmp')), []);
}

const names = async () => (await client.get('/api/flist')).json<string[]>();

test('an archive becomes a flist with owners, modes, readme and settings', async (t) => {
  const answer = await client.upload('/api/flist/me/upload', 'curl name.tar.gz', ARCHIVE, {
    originalName: 'some/where/app.tar.gz',
    fields: { 'metadata-version': '1.2-rc', 'metadata-entrypoint': '["/bin/evil"]' },
  });
  assert.deepEqual(
    [answer.status, answer.json()],
    [
      200,
      {
        status: 'success',
        payload: {
          name: 'app.flist',
          files: {
            success: true,
            error: null,
            response: {
              regular: 3,
              symlink: 1,
              directory: 1,
              special: 0,
              failure: 0,
              fullsize: 25,
            },
            status: 0,
          },
        },
      },
    ],
  );
  assertNoLeftovers();
  const settings = (await client.get('/api/flist/Administrator/app/metadata')).json();
  assert.deepEqual(settings, { version: '1.2-rc', readme: { readme: '# Second\n' } });
  const path = join(temporaryDirectory(t), 'app.flist');
  writeFileSync(path, (await client.get('/Administrator/app.flist')).body);
  const { root, router } = await loadFlist(path, { codec: addon() });
  const etc = root.entries?.find(({ name }) => Buffer.from(name).toString() === 'etc')?.inode;
  const motd = etc?.entries?.[0]?.inode;
  assert.deepEqual([motd?.mode, motd?.uid], [0o104711, 1000]);
  assert(router?.includes(url), 'readers find the chunks at the hub');
  assert(motd?.content !== undefined);
  const store = new HttpStore(url);
  t.after(() => store.close());
  const pieces = [];
  for await (const piece of readContent(motd.content, { store, codec: addon() })) {
    pieces.push(piece);
  }
  assert.equal(Buffer.concat(pieces).toString(), 'Welcome\n');
});

test('an upload replaces a flist and a link, never what the link leads to', async () => {
  await client.send('PUT', '/api/v1/flists/bob/app', flistOf('of bob'));
  const md5 = (await client.get('/bob/app.flist.md5')).text;
  assertDone(await client.get('/api/flist/me/mine/crosslink/bob/app'));
  const answer = await client.upload('/api/flist/me/upload', 'mine.tar.gz', ARCHIVE);
  assert.equal(answer.status, 200);
  assert.equal((await client.get('/bob/app.flist.md5')).text, md5);
  assert.notEqual((await client.get('/Administrator/mine.flist.md5')).text, md5);
  assertDone(await client.get('/api/flist/me/again/crosslink/bob/app'));
  const { body } = await client.get('/Administrator/mine.flist');
  const ready = await client.upload('/api/flist/me/upload-flist', 'again.flist', body);
  assert.equal(ready.status, 200);
  assert.equal((await client.get('/bob/app.flist.md5')).text, md5);
});

test('uploads of one name at once do not meet', async () => {
  const uploads = [1, 2, 3, 4].map(async (number) => {
    const bytes = archive(tarFile({ name: `file-${number}` }, `text ${number}`));
    return await client.upload('/api/flist/me/upload', 'same.tar.gz', bytes);
  });
  const answers = await Promise.all(uploads);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const { content } = (await client.get('/api/flist/Administrator/same')).json<{
    content: { path: string }[];
  }>();
  assert.match(content.map(({ path }) => path).join(), /^\/file-[1-4]$/);
  assertNoLeftovers();
});

test('a ready flist is kept byte by byte when its chunks are here', { skip }, async () => {
  const folder = join(fixtures as string, 'zflist');
  const sample = readFileSync(join(folder, 'sample.flist'));
  const missing = 'unauthorized upload, contents is not fully present on backend';
  const upload = () => client.upload('/api/flist/me/upload-flist', 'sample.flist', sample);
  assertFailure(await upload(), 400, missing);
  const chunks = readdirSync(join(folder, 'chunks'));
  for (const id of chunks.slice(1)) {
    const answer = await client.send(
      'PUT',
      `/api/v1/chunks/${id}`,
      readFileSync(join(folder, 'chunks', id)),
    );
    assert.equal(answer.status, 201);
  }
  assertFailure(await upload(), 400, missing);
  assertNoLeftovers();
  const last = chunks[0] as string;
  await client.send('PUT', `/api/v1/chunks/${last}`, readFileSync(join(folder, 'chunks', last)));
  const answer = await upload();
  assert.equal(answer.status, 200);
  const { payload } = answer.json<{ payload: { name: string; files: { response: object } } }>();
  assert.equal(payload.name, 'sample.flist');
  const dump = (await client.get('/api/flist/me/sample')).json();
  assert.deepEqual(payload.files, { success: true, error: null, response: dump, status: 0 });
  assert(sample.equals((await client.get('/Administrator/sample.flist')).body));
});

test('merge: the first wins, with its settings', { skip }, async () => {
  for (const name of ['lower', 'upper']) {
    const bytes = readFileSync(join(fixtures as string, 'zflist/layers', `${name}.flist`));
    await client.send('PUT', `/api/v1/flists/layers/${name}`, bytes);
  }
  const merge = (items: unknown, target = 'both', type = 'application/json') =>
    client.post(
      `/api/flist/me/merge/${target}`,
      typeof items === 'string' ? items : JSON.stringify(items),
      type,
    );
  assertDone(await merge(['layers/lower', 'layers/upper.flist'], 'both', 'text/plain'));
  const { content } = (await client.get('/api/flist/Administrator/both')).json<{
    content: { path: string }[];
  }>();
  assert.deepEqual(
    content.map(({ path }) => path).sort(),
    [
      '/both',
      '/both/a',
      '/both/b',
      '/both/f',
      '/both/sub',
      '/both/sub/s',
      '/d',
      '/d/only-a',
      '/d/only-b',
      '/dirfile',
      '/filedir',
      '/lnk',
      '/newdir',
      ...content.map(({ path }) => path).filter((path) => path.startsWith('/newdir/')),
    ].sort(),
  );
  const settings = (await client.get('/api/flist/Administrator/both/metadata')).json();
  assert.deepEqual(
    [settings['fromA'], settings['fromB'], settings['entrypoint']],
    ['A', undefined, ['/bin/A']],
  );
  assertDone(await merge(['layers/lower'], 'copy'));
  assertFailure(await merge('{'), 400, 'malformed json request');
  assertFailure(await merge({}), 400, 'malformed json request');
  assertFailure(await merge([]), 400, 'no source found');
  assertFailure(await merge(['lower']), 400, 'malformed source filename');
  assertFailure(await merge(['layers/none']), 404, 'layers/none.flist does not exists');
  assertFailure(await merge(['../etc/none']), 404, '../etc/none.flist does not exists');
  assertFailure(await merge(['layers/lower'], '.flist'), 400, 'missing build (target) name');
  assertFailure(await merge(['layers/lower'], 'a%2fb'), 400, 'build name not allowed');
  assertNoLeftovers();
});

test('what is no upload is refused in the words of the historical hub', async () => {
  const post = (parts: Parameters<typeof multipart>[0], path = 'upload') => {
    const { type, body } = multipart(parts);
    return client.post(`/api/flist/me/${path}`, body, type);
  };
  assertFailure(await client.post('/api/flist/me/upload'), 400, 'no file found');
  assertFailure(await post([{ name: 'other', value: 'x' }]), 400, 'no file found');
  const file = (fileName: string, value: string | Uint8Array = ARCHIVE) => [
    { name: 'file', fileName, value },
  ];
  assertFailure(await post(file('')), 400, 'no file selected');
  assertFailure(await post(file('app.zip')), 400, 'this file is not allowed');
  assertFailure(await post(file('app.tar.gz'), 'upload-flist'), 400, 'this file is not allowed');
  assertFailure(await post(file('...tar.gz')), 400, 'this name is not allowed');
  const broken = await post(file('app.flist', 'no flist at all'), 'upload-flist');
  assert.deepEqual([broken.status, broken.json()['status']], [422, 'error']);
  const cut = await post(file('cut.tar.gz', ARCHIVE.subarray(0, ARCHIVE.length - 30)));
  assert.deepEqual([cut.status, cut.json()['status']], [422, 'error']);
  const type = 'multipart/form-data; boundary=x';
  assertFailure(
    await client.post('/api/flist/me/upload', '--y\r\nnonsense', type),
    400,
    'The form is malformed',
  );
  assertNoLeftovers();
  assert(!(await names()).some((name) => /cut|app.zip/.test(name)));
});

test('archives that grow, have too much in them or come too large are refused', async () => {
  const upload = (name: string, bytes: Uint8Array) =>
    client.upload('/api/flist/me/upload', `${name}.tar.gz`, bytes);
  const bomb = archive(tarFile({ name: 'zeros' }, Buffer.alloc(UNPACKED_FREE)));
  assert(bomb.length < 1024 * 1024);
  assertFailure(
    await upload('bomb', bomb),
    413,
    `The archive unpacks to more than ${UNPACKED_FREE} bytes`,
  );
  const many = archive(...Array.from({ length: 21 }, (_, i) => tarFile({ name: `f${i}` })));
  assertFailure(await upload('many', many), 413, 'The archive has more than 20 entries');
  const large = await upload('large', Buffer.alloc(1024 * 1024 + 1));
  assertFailure(large, 413, 'The body is larger than 1048576 bytes');
  const outside = await upload('outside', archive(tarFile({ name: '../outside' }, 'x')));
  assert.deepEqual([outside.status, outside.json()['status']], [422, 'error']);
  const longName = archive(paxHeader([['path', `${'a'.repeat(300)}/x`]]), tarFile({}, 'x'));
  assert.equal((await upload('long', longName)).status, 422);
  assertNoLeftovers();
  assert.equal(
    (await names()).filter((name) => /bomb|many|large|outside|long/.test(name)).length,
    0,
  );
});
