import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { hubFindings } from '../../../../src/cli/doctor/remote.ts';

test('a hub is asked with the credentials of its URL, which are not shown', async (t) => {
  const asked: string[] = [];
  const hub = createServer(({ url = '', headers }, response) => {
    asked.push(`${url} ${headers.authorization ?? 'nobody'}`);
    response.setHeader('date', 'Mon, 05 Jan 2026 10:00:00 GMT').end('{}');
  }).listen(0, '127.0.0.1');
  t.after(() => hub.close());
  await once(hub, 'listening');
  const { port } = hub.address() as AddressInfo;
  const context = { env: {}, signal: new AbortController().signal };
  const found = await hubFindings(context, `http://t0ken@127.0.0.1:${port}/base`);
  assert.deepEqual(
    found.map(({ state }) => state),
    ['ok', 'warn'],
    JSON.stringify(found),
  );
  assert.doesNotMatch(JSON.stringify(found), /t0ken/);
  assert.deepEqual(asked, ['/base/ready Bearer t0ken', '/base/health nobody']);
});
