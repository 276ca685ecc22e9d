/** What a hub tells those who watch over it. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { createHub } from '../../../src/hub/server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('metrics count answers by route, and are on an address of their own', async (t) => {
  const dataDir = temporaryDirectory(t);
  const metrics = { host: '127.0.0.1', port: 0 };
  const hub = await createHub({ dataDir, logger: false, fsync: false, metrics });
  t.after(() => hub.close());
  await (await fetch(`${hub.url}/api/v1/flists`)).text();
  await (await fetch(`${hub.url}/demo/none.flist`)).text();
  const read = async () => await (await fetch(hub.metricsUrl as string)).text();
  const text = await read();
  const has = (line: string) => assert(text.split('\n').includes(line), `${line}\n${text}`);
  has('g8ufs_hub_ready 1');
  has('g8ufs_hub_requests_total{method="GET",route="/api/v1/flists",status="2xx"} 1');
  has('g8ufs_hub_requests_total{method="GET",route="/:repository/:file",status="4xx"} 1');
  has('g8ufs_hub_request_seconds_count 2');
  assert.equal((await fetch(`${hub.url}/metrics`)).status, 404);

  rmSync(dataDir, { recursive: true });
  assert.match(await read(), /^g8ufs_hub_ready 0$/m);
  assert.equal((await fetch(`${hub.url}/ready`)).status, 503);
});

test('metrics are for this machine alone', async (t) => {
  const metrics = { host: '0.0.0.0', port: 0 };
  await assert.rejects(
    createHub({ dataDir: temporaryDirectory(t), logger: false, metrics }),
    /loopback only/,
  );
});
