/** Listings, contents and views of published flists, as old clients ask for them (docs/hub-api.md). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fixturesDir } from '../../../support/fixtures.ts';
import { flistOf } from '../../../support/flist-package.ts';
import { assertFailure, type OldClient, startOldHub } from '../../../support/old-client.ts';

const fixtures = fixturesDir();
const skip = fixtures === undefined ? 'the folder of fixtures is not there' : false;
const FLIST = flistOf('listed');
const MD5 = createHash('md5').update(FLIST).digest('hex');
const BACKEND = { host: 'hub.example', port: 9900, namespace: 'default' };

const ends: (() => Promise<void> | void)[] = [];
let client: OldClient;
let url: string;

before(async () => {
  const started = await startOldHub(
    { after: (end) => void ends.push(end as () => Promise<void>) },
    { publicBackend: BACKEND, addon: undefined as never },
  );
  client = started.client;
  url = started.hub.url;
  const put = async (path: string, body: Uint8Array) => {
    const answer = await client.send('PUT', `/api/v1/flists/${path}`, body);
    assert.equal(answer.status, 201);
  };
  await put('bob/app', FLIST);
  await put('alice.3bot/zeta', FLIST);
  if (fixtures !== undefined) {
    await put('golden/sample', readFileSync(join(fixtures, 'zflist/sample.flist')));
    await put('golden/g1', readFileSync(join(fixtures, 'rocksdb/sample-legacy.flist')));
    await put('golden/lower', readFileSync(join(fixtures, 'zflist/layers/lower.flist')));
  }
  const me = (await client.get('/api/flist/me')).json<{ payload: { username: string } }>();
  assert.equal(me.payload.username, 'Administrator');
  for (const change of [
    'promote/bob/app/app',
    'app/link/latest',
    'other/crosslink/bob/app',
    'v1/app/tag/bob/app',
    'stable/crosstag/Administrator/v1',
  ]) {
    assert.equal((await client.get(`/api/flist/me/${change}`)).status, 200, change);
  }
});

after(async () => {
  for (const end of ends.reverse()) await end();
});

/** Times are checked to be about now, and taken away. */
function withoutTimes(item: Record<string, unknown>): Record<string, unknown> {
  const { updated, linktime, ...rest } = item;
  for (const time of [updated, linktime]) {
    if (time === undefined) continue;
    assert(Number.isInteger(time) && Math.abs((time as number) - Date.now() / 1000) < 100);
  }
  return { ...rest, times: [updated, linktime].filter((time) => time !== undefined).length };
}

const SIZE = `${(FLIST.length / 1024).toFixed(2)} KB`;
const LISTING = [
  { name: 'v1', size: '0 KB', type: 'tag', times: 1 },
  { name: 'app.flist', size: SIZE, type: 'regular', times: 1 },
  { name: 'latest.flist', size: SIZE, type: 'symlink', target: 'app.flist', times: 2 },
  { name: 'other.flist', size: SIZE, type: 'symlink', target: 'bob/app.flist', times: 2 },
  { name: 'stable', size: '4.00 KB', type: 'taglink', target: 'Administrator/tags/v1', times: 2 },
];

test('GET /api/flist names everything as it lies on disk, sorted', async () => {
  const names = (await client.get('/api/flist')).json<string[]>();
  assert.deepEqual(
    names.filter((name) => !name.startsWith('golden/')),
    [
      'Administrator/.tag-v1',
      'Administrator/app.flist',
      'Administrator/latest.flist',
      'Administrator/other.flist',
      'Administrator/stable',
      'alice.3bot/zeta.flist',
      'bob/app.flist',
    ],
  );
});

test('GET /api/repositories lists repositories with their last change', async () => {
  const answer = await client.get('/api/repositories/');
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  assert.match(String(answer.headers['content-type']), /^application\/json/);
  assert(answer.text.endsWith('\n'));
  const repositories = answer.json<Record<string, unknown>[]>();
  assert.deepEqual(
    repositories.filter(({ name }) => name !== 'golden').map(withoutTimes),
    ['Administrator', 'alice.3bot', 'bob'].map((name) => ({ name, official: false, times: 1 })),
  );
});

test('GET /api/flist/{repo} lists tags, flists, links and links to tags', async () => {
  const items = (await client.get('/api/flist/Administrator')).json<Record<string, unknown>[]>();
  assert.deepEqual(items.map(withoutTimes), LISTING);
  assertFailure(await client.get('/api/flist/nobody'), 404, 'user not found');
  assertFailure(await client.get('/api/flist/..%2fetc'), 404, 'user not found');
});

test('GET /api/fileslist has all listings', async () => {
  const all = (await client.get('/api/fileslist')).json<
    Record<string, Record<string, unknown>[]>
  >();
  assert.deepEqual(all['Administrator']?.map(withoutTimes), LISTING);
  assert.equal(all['bob']?.length, 1);
});

test('GET /api/flist/{repo}/tags/{tag} lists the links of a tag', async () => {
  const items = (await client.get('/api/flist/Administrator/tags/v1')).json<
    Record<string, unknown>[]
  >();
  assert.deepEqual(items.map(withoutTimes), [
    { name: 'app.flist', size: SIZE, type: 'symlink', target: 'bob/app.flist', times: 2 },
  ]);
  assertFailure(await client.get('/api/flist/bob/tags/v1'), 404, 'tag not found');
});

test('a contents dump has every entry in stored order, and counts', { skip }, async () => {
  const { entries } = JSON.parse(
    readFileSync(join(fixtures as string, 'zflist/expected.json'), 'utf8'),
  ) as {
    entries: Record<string, { type: string; size: number; pathHex: string; children?: string[] }>;
  };
  const expected: { size: number; path: string }[] = [];
  const visit = (key: string) => {
    for (const child of entries[key]?.children ?? []) {
      const path = key === '/' ? child : `${key}/${child}`;
      const entry = entries[path];
      assert(entry !== undefined, path);
      expected.push({ size: entry.size, path: `/${Buffer.from(entry.pathHex, 'hex')}` });
      if (entry.type === 'dir') visit(path);
    }
  };
  visit('/');
  const dump = (await client.get('/api/flist/golden/sample')).json<{
    content: unknown[];
    [count: string]: unknown;
  }>();
  const { content, ...counts } = dump;
  assert.deepEqual(content, expected);
  const fullsize = Object.values(entries)
    .filter(({ type }) => type === 'file')
    .reduce((sum, { size }) => sum + size, 0);
  assert.deepEqual(counts, {
    regular: 345,
    symlink: 7,
    directory: 21,
    special: 5,
    failure: 0,
    fullsize,
  });
  assert.deepEqual(Object.keys(dump), [
    'content',
    'regular',
    'symlink',
    'directory',
    'special',
    'failure',
    'fullsize',
  ]);
  const old = (await client.get('/api/flist/golden/g1.flist')).json<{ content: unknown[] }>();
  assert(old.content.length > 0);
});

test('metadata are values where they are JSON, and a backend is added', { skip }, async () => {
  const settings = (await client.get('/api/flist/golden/sample/metadata')).json();
  assert.deepEqual(settings, {
    backend: { namespace: 'sample', host: '127.0.0.1', port: 9900 },
    entrypoint: ['/bin/sh', '-c', 'echo hi'],
    environ: { PATH: '/bin:/usr/bin', LANG: 'C.UTF-8' },
    port: { 'tcp/80': 8080, 'udp/53': 53 },
    volume: { '/data': { host: '/mnt/data' }, '/cache': {} },
    readme: { readme: '# Sample\n\nText with "quotes" and é.\n', license: 'MIT' },
    custom: 'any text, not JSON',
  });
  const lower = (await client.get('/api/flist/golden/lower/metadata')).json();
  assert.deepEqual(lower, { entrypoint: ['/bin/A'], fromA: 'A', 'backend-forced': BACKEND });
});

test('info comes by /light and by the method INFO, with and without .flist', async () => {
  const regular = { name: 'app.flist', size: FLIST.length, type: 'regular', times: 1, md5: MD5 };
  for (const path of ['app', 'app.flist']) {
    const light = await client.get(`/api/flist/Administrator/${path}/light`);
    assert.deepEqual(withoutTimes(light.json()), regular);
    const info = await client.info(`/api/flist/Administrator/${path}`);
    assert.equal(info.status, 200);
    assert.equal(info.headers['access-control-allow-origin'], '*');
    assert.deepEqual(withoutTimes(info.json()), regular);
  }
  const link = await client.info('/api/flist/Administrator/other', '/api/v1');
  assert.deepEqual(withoutTimes(link.json()), {
    ...regular,
    name: 'other.flist',
    type: 'symlink',
    target: '../bob/app.flist',
    times: 2,
  });
  assertFailure(await client.info('/api/flist/bob/nothing'), 404, 'source not found');
  assert.equal((await client.info('/api/v1')).status, 405);
});

test('taglink tells where a link to a tag leads', async () => {
  const answer = await client.get('/api/flist/Administrator/stable/taglink');
  assert.deepEqual(answer.json(), { target: 'Administrator/tags/v1' });
  assertFailure(await client.get('/api/flist/Administrator/app/taglink'), 404, 'source not found');
});

test('views beside a flist: md5, txt, json, md; also through links and tags', async () => {
  for (const place of ['bob/app', 'Administrator/latest', 'Administrator/tags/v1/app']) {
    assert.equal((await client.get(`/${place}.flist.md5`)).text, `${MD5}\n`);
    const file = await client.get(`/${place}.flist`);
    assert(FLIST.equals(file.body));
    assert.match(String(file.headers['content-disposition']), /^inline; filename=/);
    assert.equal(file.headers['cache-control'], 'no-cache');
  }
  const source = `${url}/bob/app.flist`;
  const text = await client.get('/bob/app.flist.txt');
  assert.match(String(text.headers['content-type']), /^text\/plain/);
  assert.equal(
    text.text,
    [
      'File:     app.flist',
      'Uploader: bob',
      `Source:   ${source}`,
      'Storage:  zdb://hub.example:9900',
      `Checksum: ${MD5}`,
      '',
    ].join('\n'),
  );
  assert.equal((await client.get('/bob/app.txt')).text, text.text);
  for (const name of ['app.flist.json', 'app.json']) {
    assert.deepEqual((await client.get(`/bob/${name}`)).json(), {
      flist: 'app.flist',
      uploader: 'bob',
      source,
      storage: 'zdb://hub.example:9900',
      checksum: MD5,
    });
  }
  assert.equal((await client.get('/bob/none.txt')).status, 404);
});

test('the preview page shows the readme as text, whatever it is', { skip }, async () => {
  const page = await client.get('/golden/sample.flist.md');
  assert.equal(page.status, 200);
  assert.match(String(page.headers['content-type']), /^text\/html/);
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
  assert(page.text.includes('Text with &quot;quotes&quot; and é.'));
  assert(page.text.includes('345'));
});

test('what is not there is JSON below /api, and other methods are 405', async () => {
  assertFailure(await client.get('/api/flist/a/b/c/d/e/f'), 404, 'There is nothing at this path');
  const refused = await client.delete('/api/repositories');
  assertFailure(refused, 405, 'DELETE is not possible here');
  assert.equal(refused.headers.allow, 'GET, HEAD');
  assertFailure(await client.get('/api/flist/bob/nothing'), 404, 'source not found');
  assertFailure(
    await client.get('/api/flist/bob/app'),
    422,
    'Flist package has no metadata database',
  );
});
