/** The store contract on real servers: Redis, a Redis Cluster, S3; and on a server that speaks as 0-db does. */
import { after, before, type TestContext } from 'node:test';
import { openBackend } from '../../src/store/backend.ts';
import type { PrunableChunkStore } from '../../src/store/store.ts';
import {
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '../support/redis-server.ts';
import { S3_KEY, S3_SECRET, type S3Server, startS3 } from '../support/s3-server.ts';
import { startZdb, type ZdbServer } from '../support/zdb-server.ts';
import { prunableContract, storeContract } from './store-contract.ts';

let redis: RedisServer;
let cluster: RedisCluster;
let s3: S3Server;
let zdb: ZdbServer;
let count = 0;
const NAMESPACES = 60;

before(async () => {
  const spaces = Array.from({ length: NAMESPACES }, (_, i) => [
    `n${i + 1}`,
    { password: 's3c ret' },
  ]);
  [redis, cluster, s3, zdb] = await Promise.all([
    startRedis({ password: 's3c:ret' }),
    startRedisCluster(),
    startS3(),
    startZdb(Object.fromEntries(spaces)),
  ]);
});
after(async () => {
  await Promise.all([redis.stop(), cluster.stop(), s3.stop(), zdb.close()]);
});

function open(t: TestContext, url: string): PrunableChunkStore {
  const store = openBackend(url);
  t.after(() => store.close());
  return store;
}

function s3Url(n: number): string {
  const keys = `${encodeURIComponent(S3_KEY)}:${encodeURIComponent(S3_SECRET)}`;
  return `s3://${keys}@chunks/of%20test/${n}?endpoint=${s3.endpoint}`;
}

const URLS: Readonly<Record<string, (n: number) => string>> = {
  Redis: (n) => `redis://:s3c%3Aret@${redis.address}/3?prefix=t[${n}]*`,
  'Redis Cluster': (n) => `redis-cluster://${cluster.nodes.join(',')}?prefix={${n % 2}}${n}:`,
  '0-db': (n) => `zdb://:s3c%20ret@${zdb.address}/n${n}`,
  S3: s3Url,
};
for (const [name, urlOf] of Object.entries(URLS)) {
  const factory = async (t: TestContext) => {
    const store = open(t, urlOf(++count));
    return { store, source: store };
  };
  storeContract(name, factory);
  prunableContract(name, async (t) => open(t, urlOf(++count)));
}
