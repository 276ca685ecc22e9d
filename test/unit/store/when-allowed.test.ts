import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { HubAdmin } from '../../../src/store/hub-admin.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { whenAllowed } from '../../../src/store/when-allowed.ts';
import { startServer } from '../../support/http-server.ts';

function tooMany(retryAfterMs: number): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', 'too many', {
    details: { status: 429, retryAfterMs },
  });
}

function fakeClock() {
  const waits: number[] = [];
  const clock = {
    now: () => 0,
    random: () => 0,
    sleep: async (ms: number) => void waits.push(ms),
  };
  return { waits, clock };
}

test('a request is sent again after as long as the hub says', async () => {
  const { waits, clock } = fakeClock();
  let calls = 0;
  const result = await whenAllowed({ clock }, async () => {
    if (++calls < 3) throw tooMany(calls * 1000);
    return 'done';
  });
  assert.deepEqual([result, waits], ['done', [1000, 2000]]);
});

test('it is not for ever, and no wait is longer than somebody sits in front of it', async () => {
  const { waits, clock } = fakeClock();
  const refused = async () => {
    throw tooMany(1000);
  };
  await assert.rejects(whenAllowed({ clock }, refused), /too many/);
  assert.equal(waits.length, 5);
  const long = fakeClock();
  await assert.rejects(
    whenAllowed({ clock: long.clock }, async () => {
      throw tooMany(300_000);
    }),
    /too many/,
  );
  assert.deepEqual(long.waits, []);
});

test('what failed otherwise is not sent again', async () => {
  let calls = 0;
  const failed = async () => {
    calls++;
    throw new G8Error('ERR_STORE_UNAVAILABLE', 'gone', { details: { status: 503 } });
  };
  await assert.rejects(whenAllowed({}, failed), (error) =>
    isG8Error(error, 'ERR_STORE_UNAVAILABLE'),
  );
  assert.equal(calls, 1);
});

test('logins and deletions wait for their turn', async (t) => {
  const refusals = new Map<string, number>();
  const { url, requests } = await startServer(t, (request, response) => {
    const key = `${request.method} ${request.url}`;
    const count = refusals.get(key) ?? 0;
    refusals.set(key, count + 1);
    if (count === 0) {
      response.writeHead(429, { 'retry-after': '0' }).end();
    } else if (request.method === 'DELETE') {
      response.writeHead(204).end();
    } else {
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end('{"access_token":"session"}');
    }
  });
  const admin = new HubAdmin(url);
  const client = new HubClient(url);
  t.after(() => Promise.all([admin.close(), client.close()]));
  const credentials = { username: 'alice', password: 'secret', scope: 'admin' } as const;
  assert.equal(await admin.signIn(credentials), 'session');
  await client.deleteFlist({ repository: 'demo', name: 'app' });
  assert.deepEqual(requests, [
    'POST /api/v1/signin',
    'POST /api/v1/signin',
    'DELETE /api/v1/flists/demo/app',
    'DELETE /api/v1/flists/demo/app',
  ]);
});
