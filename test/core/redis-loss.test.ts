/** What becomes of jobs and their results when the Redis goes away and comes back without a memory. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/child-server.ts';
import { startCoreWorld } from '../support/core-world.ts';
import { startRedis } from '../support/redis-server.ts';

const nothing = (): void => {};
/** What is lost is told, and here it is known. */
const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing, setLevel: nothing };

test('results of jobs that end while Redis is away are published when it is back', async () => {
  const world = await startCoreWorld();
  const { client, workingDir } = world;
  const port = Number(world.redis.address.split(':')[1]);
  try {
    const ended = await client.start('bash', {
      script: 'while ! test -e go; do sleep 0.05; done; echo ended; touch done',
      stdin: '',
    });
    const alive = await client.start('bash', { script: 'exec sleep 40', stdin: '' });
    await world.redis.stop();
    writeFileSync(join(workingDir, 'go'), '');
    await until('The end of the job', async () => existsSync(join(workingDir, 'done')));
    const again = await startRedis({ port });
    try {
      // A client that asks again finds both: the flags of a server without a memory are set anew.
      await until('The flags', async () => {
        const count = await client.redis
          .exists(`result:${ended}:flag`, `result:${alive}:flag`)
          .catch(() => 0);
        return count === 2;
      });
      assert.deepEqual((await client.result(ended)).streams, ['ended\n', '']);
      assert.equal(await client.redis.llen(`result:${ended}`), 1);
      const ttl = await client.redis.ttl(`result:${ended}:flag`);
      assert.ok(ttl > 0 && ttl <= 300);
      assert.equal(await client.redis.ttl(`result:${alive}:flag`), -1);
      assert.equal(await client.json('job.kill', { id: alive, signal: 9 }), true);
      assert.equal((await client.result(alive)).code, 999);
    } finally {
      client.close();
      await world.daemon.stop();
      await again.stop();
    }
  } finally {
    await world.stop();
  }
});

test('a flood of records while Redis is away costs bounded memory and no result', async () => {
  const world = await startCoreWorld({ log: SILENT });
  const { client, workingDir } = world;
  const port = Number(world.redis.address.split(':')[1]);
  const lines = 'yes "4::a line that is long enough to be one of many" | head -n 400000';
  try {
    const script = `while ! test -e go; do sleep 0.05; done; ${lines}; head -c 100000000 /dev/zero | tr "\\0" x; touch done`;
    const ids = [
      await client.start('bash', { script, stdin: '' }, { stream: true }),
      await client.start('bash', { script: 'sleep 0.2; exit 5', stdin: '' }),
    ];
    await world.redis.stop();
    const before = process.memoryUsage().rss;
    writeFileSync(join(workingDir, 'go'), '');
    await until('The flood', async () => existsSync(join(workingDir, 'done')));
    assert.ok(process.memoryUsage().rss - before < 1_000_000_000);
    const again = await startRedis({ port });
    try {
      await until('The results', async () => {
        // The flag that was lost with the memory comes a moment after the result.
        const keys = ids.flatMap((id) => [`result:${id}`, `result:${id}:flag`]);
        return (await client.redis.exists(...keys).catch(() => 0)) === 4;
      });
      assert.equal((await client.result(ids[0] ?? '')).state, 'SUCCESS');
      assert.equal((await client.result(ids[1] ?? '')).code, 1005);
      assert.ok((await client.redis.llen(`stream:${ids[0]}`)) <= 1000);
    } finally {
      client.close();
      await world.daemon.stop();
      await again.stop();
    }
  } finally {
    await world.stop();
  }
});

test('commands that were pushed while the daemon was away are taken when it is there', async () => {
  const first = await startCoreWorld();
  try {
    await first.daemon.stop();
    const id = await first.client.send('core.ping', {});
    const second = await startCoreWorld({ redisUrl: `redis://${first.redis.address}` });
    try {
      const flag = `result:${id}:flag`;
      assert.equal(await first.client.redis.brpoplpush(flag, flag, 10), '');
      assert.equal((await first.client.result(id)).state, 'SUCCESS');
    } finally {
      await second.stop();
    }
  } finally {
    await first.stop();
  }
});
