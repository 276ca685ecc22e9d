/** Chunk backends whose servers are wrong, away, hostile or hang. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import { type BackendOptions, openBackend } from '../../../src/store/backend.ts';
import { openRoutedStore } from '../../../src/store/open.ts';
import { parseRouter } from '../../../src/store/router-config.ts';
import type { PrunableChunkStore } from '../../../src/store/store.ts';
import { freePorts } from '../../support/child-server.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { REDIS_CLI, type RedisServer, startRedis } from '../../support/redis-server.ts';
import { S3_KEY, S3_SECRET, type S3Server, startS3 } from '../../support/s3-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { startZdb } from '../../support/zdb-server.ts';

const CHUNK = chunkOf('chunk');
const SHORT = chunkOf('short', 16);
const PASSWORD = 'not to be shown';
const TIMEOUT = { timeout: 20_000 };
const PROMPT = { connectTimeoutMs: 1_000, idleTimeoutMs: 300, requestTimeoutMs: 2_000 };

let redis: RedisServer;
let s3: S3Server;
before(async () => {
  [redis, s3] = await Promise.all([startRedis(), startS3()]);
});
after(async () => {
  await Promise.all([redis.stop(), s3.stop()]);
});

function open(t: TestContext, url: string, options: BackendOptions = {}): PrunableChunkStore {
  const store = openBackend(url, { http: PROMPT, env: {}, ...options });
  t.after(() => store.close());
  return store;
}

const isError =
  (code: ErrorCode, reason = /./) =>
  (error: unknown) =>
    isG8Error(error, code) && reason.test(error.message) && !error.message.includes(PASSWORD);

function cli(...args: string[]): string {
  const port = redis.address.split(':')[1] as string;
  return execFileSync(REDIS_CLI, ['-p', port, ...args], { encoding: 'utf8' });
}

test('Redis by TLS: the certificate is checked, the CA may be named', TIMEOUT, async (t) => {
  const folder = temporaryDirectory(t);
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=t';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  execFileSync('/usr/bin/openssl', [...words.split(' '), ...names], { stdio: 'ignore' });
  const server = await startRedis({ password: PASSWORD, tls: { cert, key } });
  t.after(() => server.stop());
  const user = `:${encodeURIComponent(PASSWORD)}@`;
  const store = open(t, `rediss://${user}${server.tlsAddress}?ca=${cert}`);
  await store.put(CHUNK.id, CHUNK.bytes);
  assert.deepEqual(Buffer.from(await store.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
  const unknown = open(t, `rediss://${user}${server.tlsAddress}`);
  await assert.rejects(unknown.get(CHUNK.id), isError('ERR_PROTOCOL', /SELF_SIGNED/));
  const wrong = open(t, `rediss://:wrong@${server.tlsAddress}?ca=${cert}`);
  await assert.rejects(wrong.get(CHUNK.id), isError('ERR_PERMISSION'));
  const none = open(t, `redis://${server.address}`);
  await assert.rejects(none.get(CHUNK.id), isError('ERR_PERMISSION', /NOAUTH/));
});

test('Redis: a server that is gone and comes back', TIMEOUT, async (t) => {
  const first = await startRedis();
  const store = open(t, `redis://${first.address}`);
  await store.put(CHUNK.id, CHUNK.bytes);
  await first.stop();
  await assert.rejects(store.get(CHUNK.id), isError('ERR_STORE_UNAVAILABLE'));
  const second = await startRedis({ port: Number(first.address.split(':')[1]) });
  t.after(() => second.stop());
  assert.deepEqual(await store.missing([CHUNK.id]), [CHUNK.id]);
  await store.put(CHUNK.id, CHUNK.bytes);
  assert.deepEqual(await store.missing([CHUNK.id]), []);
});

test('Redis: a server that hangs is given up, and used again', TIMEOUT, async (t) => {
  const store = open(t, `redis://${redis.address}?prefix=hang:`);
  await store.put(CHUNK.id, CHUNK.bytes);
  redis.process.kill('SIGSTOP');
  try {
    await assert.rejects(store.get(CHUNK.id), isError('ERR_TIMEOUT'));
  } finally {
    redis.process.kill('SIGCONT');
  }
  assert.deepEqual(Buffer.from(await store.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
});

test('Redis: no room is no failure that passes', TIMEOUT, async (t) => {
  const store = open(t, `redis://${redis.address}?prefix=full:`);
  cli('config', 'set', 'maxmemory', '1');
  t.after(() => cli('config', 'set', 'maxmemory', '0'));
  await assert.rejects(store.put(CHUNK.id, CHUNK.bytes), isError('ERR_CACHE_FULL', /OOM/));
});

test(
  'Redis: the plain keys of the historical tools are read, and not touched',
  TIMEOUT,
  async (t) => {
    const text = CHUNK.bytes as Uint8Array;
    cli('set', CHUNK.id, Buffer.from(text).toString('utf8'));
    const writer = open(t, `ardb://${redis.address}`);
    await assert.rejects(writer.put(SHORT.id, SHORT.bytes), isError('ERR_PERMISSION', /read-only/));
    for (const url of [`ardb://${redis.address}`, `redis://${redis.address}`]) {
      assert.deepEqual(Buffer.from(await open(t, url).get(CHUNK.id)), Buffer.from(text), url);
    }
    const store = open(t, `redis://${redis.address}`);
    await store.delete(CHUNK.id);
    for await (const id of store.list()) assert.notEqual(id, CHUNK.id);
    assert.deepEqual(await store.missing([CHUNK.id]), []);
    const elsewhere = open(t, `redis://${redis.address}?prefix=mine:`);
    assert.deepEqual(await elsewhere.missing([CHUNK.id]), [CHUNK.id]);
  },
);

test('a server that speaks no RESP, says too much or nothing', TIMEOUT, async (t) => {
  const serve = async (greet: (write: (bytes: Buffer) => boolean) => void) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => greet((bytes) => socket.write(bytes)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return `127.0.0.1:${(server.address() as { port: number }).port}`;
  };
  const http = await serve((write) => write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')));
  const one = open(t, `zdb://${http}`);
  await assert.rejects(one.get(CHUNK.id), isError('ERR_PROTOCOL', /no RESP/));
  const endless = await serve((write) => {
    write(Buffer.from('$900000000\r\n'));
    for (let i = 0; i < 64; i++) write(Buffer.alloc(256 * 1024));
  });
  await assert.rejects(
    open(t, `zdb://${endless}`).get(CHUNK.id),
    isError('ERR_PROTOCOL', /larger/),
  );
  const silent = await serve(() => {});
  await assert.rejects(open(t, `zdb://${silent}`).get(CHUNK.id), isError('ERR_TIMEOUT'));
});

test('nobody listens', TIMEOUT, async (t) => {
  const [port] = await freePorts(1);
  for (const scheme of ['redis', 'redis-cluster', 'zdb']) {
    const store = open(t, `${scheme}://user:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`);
    await assert.rejects(store.get(CHUNK.id), isError('ERR_STORE_UNAVAILABLE'), scheme);
    await assert.rejects(store.missing([CHUNK.id]), isError('ERR_STORE_UNAVAILABLE'), scheme);
    await store.close();
    await assert.rejects(store.get(CHUNK.id), isError('ERR_ABORTED'), scheme);
  }
  const store = open(t, `s3://a:b@127.0.0.1:${port}/bucket`);
  await assert.rejects(store.get(CHUNK.id), isError('ERR_STORE_UNAVAILABLE'));
});

test('0-db: namespaces, passwords and who may write', TIMEOUT, async (t) => {
  const zdb = await startZdb({
    hub: { password: PASSWORD },
    closed: { password: 'x', isPublic: false },
  });
  t.after(() => zdb.close());
  const secret = encodeURIComponent(PASSWORD);
  const writer = open(t, `zdb://:${secret}@${zdb.address}/hub`);
  await writer.put(CHUNK.id, CHUNK.bytes);
  const reader = open(t, `zdb://${zdb.address}/hub`);
  assert.deepEqual(Buffer.from(await reader.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
  await assert.rejects(reader.put(SHORT.id, SHORT.bytes), isError('ERR_PERMISSION', /read-only/));
  const refused: readonly [string, ErrorCode][] = [
    [`zdb://${zdb.address}/closed`, 'ERR_PERMISSION'],
    [`zdb://:wrong@${zdb.address}/hub`, 'ERR_PERMISSION'],
    [`zdb://${zdb.address}/nowhere`, 'ERR_CONFIG'],
  ];
  for (const [url, code] of refused) {
    await assert.rejects(open(t, url).put(CHUNK.id, CHUNK.bytes), isError(code), url);
  }
  assert.deepEqual(await open(t, `zdb://${zdb.address}`).missing([CHUNK.id]), [CHUNK.id]);
  zdb.cut();
  await reader.missing([CHUNK.id]).catch(() => {});
  assert.deepEqual(await reader.missing([CHUNK.id]), []);
});

test('S3: wrong keys, no bucket', TIMEOUT, async (t) => {
  const at = (user: string, bucket = 'chunks') => `s3://${user}@${bucket}?endpoint=${s3.endpoint}`;
  const key = encodeURIComponent(S3_KEY);
  const wrong = open(t, at(`${key}:${encodeURIComponent(PASSWORD)}`));
  await assert.rejects(wrong.get(CHUNK.id), isError('ERR_PERMISSION', /SignatureDoesNotMatch/));
  await assert.rejects(wrong.put(CHUNK.id, CHUNK.bytes), isError('ERR_PERMISSION'));
  const env = { AWS_ACCESS_KEY_ID: S3_KEY, AWS_SECRET_ACCESS_KEY: S3_SECRET };
  const nowhere = open(t, `s3://nowhere?endpoint=${s3.endpoint}`, { env });
  const isGone = isError('ERR_STORE_UNAVAILABLE', /no such bucket/);
  await assert.rejects(nowhere.get(CHUNK.id), isGone);
  await assert.rejects(nowhere.missing([CHUNK.id]), isGone);
  await assert.rejects(nowhere.put(CHUNK.id, CHUNK.bytes), isGone);
  await assert.rejects(nowhere.list()[Symbol.asyncIterator]().next(), isGone);
});

test("a flist's router reads from the stores of the historical tools", TIMEOUT, async (t) => {
  const zdb = await startZdb();
  t.after(() => zdb.close());
  const writer = open(t, `zdb://${zdb.address}`);
  await writer.put(SHORT.id, SHORT.bytes);
  await open(t, `redis://${redis.address}`).put(CHUNK.id, CHUNK.bytes);
  const text = `pools:\n  a: {0:f: "zdb://${zdb.address}"}\n  b: {0:f: "redis://${redis.address}"}\nlookup: [a, b]`;
  const store = openRoutedStore({ urls: [], routers: [parseRouter(text, 'historical')] });
  t.after(() => store.close());
  for (const { id, bytes } of [SHORT, CHUNK]) {
    assert.deepEqual(Buffer.from(await store.get(id)), Buffer.from(bytes));
  }
});
