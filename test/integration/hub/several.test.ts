/** Several hubs over one catalogue in PostgreSQL and one chunk folder give the same answers. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { PostgresEngine } from '../../../src/hub/catalogue/postgres-engine.ts';
import { createHub } from '../../../src/hub/server.ts';
import { DirectoryStore } from '../../../src/store/directory.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { flistOf } from '../../support/flist-package.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const HUB_COUNT = 3;

let postgres: PostgresServer;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.stop());

async function startHubs(t: TestContext) {
  const folder = temporaryDirectory(t);
  const path = join(folder, 'chunks');
  mkdirSync(path);
  const catalogue = postgres.createDatabase();
  // All at once: each of them finds an empty database.
  return await Promise.all(
    Array.from({ length: HUB_COUNT }, async (_, i) => {
      const hub = await createHub({
        dataDir: join(folder, `hub${i}`),
        catalogue,
        chunks: new DirectoryStore({ path }),
        logger: false,
        fsync: false,
      });
      t.after(() => hub.close());
      return hub;
    }),
  );
}

test('what one hub takes, all of them have at once', async (t) => {
  const hubs = await startHubs(t);
  const chunk = chunkOf('chunk');
  for (const [i, { url }] of hubs.entries()) {
    const body = flistOf(`flist ${i}`);
    const path = `/api/v1/flists/bob/app${i}`;
    assert.equal((await fetch(url + path, { method: 'PUT', body })).status, 201);
    await fetch(`${url}/api/v1/chunks/${chunk.id}`, { method: 'PUT', body: chunk.bytes });
    for (const other of hubs) {
      const got = await (await fetch(`${other.url}/bob/app${i}.flist`)).arrayBuffer();
      assert(Buffer.from(got).equals(body));
    }
  }
  const paths = ['/api/v1/flists', '/bob/app1.flist.md5', '/bob/app2.flist', '/bob/no.flist.md5'];
  for (const path of [...paths, `/api/v1/chunks/${chunk.id}`]) {
    const answers = await Promise.all(
      hubs.map(async ({ url }) => {
        const response = await fetch(url + path);
        const text = (await response.text()).replace(/"requestId":"[^"]+"/, '');
        return [response.status, response.headers.get('etag'), text];
      }),
    );
    for (const answer of answers) assert.deepEqual(answer, answers[0], path);
  }
  await fetch(`${hubs[2]?.url}/api/v1/flists/bob/app0`, { method: 'DELETE' });
  for (const { url } of hubs) assert.equal((await fetch(`${url}/bob/app0.flist`)).status, 404);
});

test('of the same name published by all of them at once one flist is left, whole', async (t) => {
  const hubs = await startHubs(t);
  const flists = hubs.map((_, i) => flistOf(`rival ${i}`));
  const statuses = await Promise.all(
    hubs.map(async ({ url }, i) => {
      const body = flists[i] as Buffer;
      return (await fetch(`${url}/api/v1/flists/bob/app`, { method: 'PUT', body })).status;
    }),
  );
  assert.deepEqual(statuses.sort(), [200, 200, 201]);
  const bodies = await Promise.all(
    hubs.map(async ({ url }) =>
      Buffer.from(await (await fetch(`${url}/bob/app.flist`)).arrayBuffer()),
    ),
  );
  assert(flists.some((flist) => bodies.every((body) => body.equals(flist))));
});

for (const [what, url, code] of [
  ['no server', 'postgres://hub@localhost/x?host=/nowhere', 'ERR_STORE_UNAVAILABLE'],
  ['no URL', 'postgres://[', 'ERR_CONFIG'],
] as const) {
  test(`a catalogue with ${what} is refused with ${code}, without its password`, async () => {
    const open = PostgresEngine.open(url.replace('hub@', 'hub:secret@'));
    await assert.rejects(open, (error: Error & { code: string }) => {
      assert.equal(error.code, code);
      return !error.message.includes('secret');
    });
  });
}

test('a database that is not there is refused with ERR_CONFIG', async () => {
  const open = PostgresEngine.open(postgres.url.replace('/postgres?', '/nothing?'));
  await assert.rejects(open, { code: 'ERR_CONFIG' });
});

// The last one: it takes the server away.
test('a hub whose database goes away says so and stays', async (t) => {
  const catalogue = postgres.createDatabase();
  const dataDir = temporaryDirectory(t);
  const hub = await createHub({ dataDir, catalogue, logger: false, fsync: false });
  t.after(() => hub.close());
  assert.equal((await fetch(`${hub.url}/ready`)).status, 200);
  await postgres.stop();
  const response = await fetch(`${hub.url}/bob/app.flist`);
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '1']);
  assert.equal((await fetch(`${hub.url}/ready`)).status, 503);
  assert.equal((await fetch(`${hub.url}/health`)).status, 200);
});
