/** The ways to a Redis: a Unix socket, TLS with a certificate of one's own, a password. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { until } from '../support/child-server.ts';
import { startCoreWorld } from '../support/core-world.ts';
import { RawCoreClient } from '../support/raw-core-client.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

let folder: string;
let redis: RedisServer;
let client: RawCoreClient;
const socket = () => join(folder, 'redis.socket');
const cert = () => join(folder, 'cert.pem');

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'g8ufs-connection-'));
  const key = join(folder, 'key.pem');
  const subject = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', cert()];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files],
    { stdio: 'ignore' },
  );
  redis = await startRedis({
    password: 'a:b/c',
    tls: { cert: cert(), key },
    args: ['--unixsocket', socket()],
  });
  client = new RawCoreClient(`redis://:${encodeURIComponent('a:b/c')}@${redis.address}`);
});
after(async () => {
  client.close();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('commands come by TLS, from a server whose certificate is known', async () => {
  const password = encodeURIComponent('a:b/c');
  const redisUrl = `rediss://:${password}@${redis.tlsAddress}?ca=${encodeURIComponent(cert())}`;
  const world = await startCoreWorld({ redisUrl });
  try {
    assert.equal((await client.run('core.ping', {})).state, 'SUCCESS');
  } finally {
    await world.stop();
  }
});

test('commands come by a Unix socket, which may not be there yet', async () => {
  const path = join(folder, 'later.socket');
  const starting = startCoreWorld({ redisUrl: `unix://${path}` });
  const later = await startRedis({ args: ['--unixsocket', path] });
  await until('The socket', async () => existsSync(path));
  const world = await starting;
  const other = new RawCoreClient(`redis://${later.address}`);
  try {
    assert.equal((await other.run('core.ping', {})).state, 'SUCCESS');
  } finally {
    other.close();
    await world.stop();
    await later.stop();
  }
});

test('a server that refuses the password is not waited for', async () => {
  for (const redisUrl of [`redis://${redis.address}`, `unix://${socket()}`]) {
    await assert.rejects(startCoreWorld({ redisUrl }), (error) =>
      isG8Error(error, 'ERR_PERMISSION'),
    );
  }
});
