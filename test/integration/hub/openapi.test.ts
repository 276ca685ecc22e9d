/** The OpenAPI document: linted, true to the routes, and the types of the client that other tests use. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import createClient from 'openapi-fetch';
import { flistOf } from '../../support/flist-package.ts';
import type { paths } from '../../support/hub-api.ts';
import { assertFailure, type OldClient, startOldHub } from '../../support/old-client.ts';
import { type Document, typesOf } from '../../support/openapi-types.ts';

const ends: (() => Promise<void> | void)[] = [];
let client: OldClient;
let url: string;

before(async () => {
  const started = await startOldHub({ after: (end) => void ends.push(end as () => void) });
  client = started.client;
  url = started.hub.url;
});

after(async () => {
  for (const end of ends.reverse()) await end();
});

test('the document has nothing that a linter finds', async () => {
  const { text } = await client.get('/api/openapi.json');
  const config = await createConfig({
    extends: ['recommended'],
    // Paths of the historical hub stand beside each other: a fixed segment goes before a parameter.
    rules: { 'no-ambiguous-paths': 'off', 'no-server-example.com': 'off' },
  });
  const problems = await lintFromString({ source: text, config });
  const shown = problems.map(
    ({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`,
  );
  assert.deepEqual(shown, []);
});

test('every path of older documents has it', async () => {
  const document = (await client.get('/api/openapi.json')).json();
  for (const name of ['openapi', 'block-api', 'file-api', 'website-api']) {
    assert.deepEqual((await client.get(`/api-docs/${name}.json`)).json(), document);
  }
  assert((await client.get('/swagger-ui')).text.includes('/api/openapi.json'));
});

test('the types of the client are those of the document', async () => {
  const document = (await client.get('/api/openapi.json')).json<Document>();
  const path = join(checkout(), 'test/support/hub-api.ts');
  const types = typesOf(document);
  if (process.env['G8UFS_UPDATE_GOLDEN'] === '1') writeFileSync(path, types);
  assert.equal(readFileSync(path, 'utf8'), types, 'run with G8UFS_UPDATE_GOLDEN=1');
});

/** Tests run from the build; what they compare with is in the sources. */
function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

test('a typed client publishes, finds and removes a flist', async () => {
  const hub = createClient<paths>({ baseUrl: url });
  const path = { repository: 'typed', name: 'app' };
  const put = await hub.PUT('/api/v1/flists/{repository}/{name}', {
    params: { path },
    body: flistOf('typed'),
    bodySerializer: (body) => body as Uint8Array,
    headers: { 'content-type': 'application/octet-stream' },
  });
  assert.equal(put.response.status, 201);
  assert.equal(put.data?.name, 'app.flist');
  const info = await hub.GET('/api/flist/{repository}/{flist}/light', {
    params: { path: { repository: 'typed', flist: 'app' } },
  });
  assert.equal(info.data?.md5, put.data?.md5);
  const listing = await hub.GET('/api/flist/{repository}', {
    params: { path: { repository: 'typed' } },
  });
  assert.deepEqual(
    listing.data?.map(({ name, type }) => [name, type]),
    [['app.flist', 'regular']],
  );
  const absent = await hub.GET('/api/flist/{repository}', {
    params: { path: { repository: 'nobody' } },
  });
  assert.deepEqual(absent.error, { status: 'error', message: 'user not found' });
  const removed = await hub.DELETE('/api/v1/flists/{repository}/{name}', { params: { path } });
  assert.equal(removed.response.status, 204);
});

test('what the document says of queries and bodies is checked', async () => {
  for (const query of ['page=0', 'per_page=101', 'page=x', 'page=1&page=2']) {
    assert.equal((await client.get(`/api/v1/blocks?${query}`)).status, 400, query);
  }
  const wrong = await client.post(
    '/api/v1/block/verify',
    '{"blocks":[{"block_hash":"x"}]}',
    'application/json',
  );
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /The body has an invalid blocks\.0\.block_hash/);
  assertFailure(
    await client.post('/api/flist/me/docker', '{}', 'text/plain'),
    415,
    'The body must be a form',
  );
});
