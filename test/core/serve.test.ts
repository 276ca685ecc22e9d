/** `g8ufs core serve` as a process: readiness, its end, what it refuses; and the host's smaller commands. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { until } from '../support/child-server.ts';
import { RawCoreClient, type StreamRecord } from '../support/raw-core-client.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

const PROGRAM = new URL('../support/g8ufs.js', import.meta.url).pathname;

let folder: string;
let redis: RedisServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'g8ufs-serve-'));
  redis = await startRedis({ password: 'secret' });
});
after(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

const url = (password = 'secret') => `redis://:${password}@${redis.address}`;
const stateDir = () => join(folder, 'state');

interface Serving {
  readonly child: ChildProcess;
  readonly ready: string;
  readonly client: RawCoreClient;
  stop(): Promise<number | null>;
}

function startServe(...args: string[]): ChildProcess {
  const words = ['core', 'serve', '--state', stateDir(), ...args];
  return spawn(
    '/usr/bin/setpriv',
    ['--pdeathsig', 'KILL', '--', process.execPath, PROGRAM, ...words],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
}

async function serve(...args: string[]): Promise<Serving> {
  const child = startServe('--redis', url(), ...args);
  child.stderr?.resume();
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const [ready] = (await once(lines, 'line', { signal: AbortSignal.timeout(20_000) })) as [string];
  const client = new RawCoreClient(url());
  return {
    child,
    ready,
    client,
    stop: async () => {
      client.close();
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      return child.exitCode;
    },
  };
}

/** The code of the error that it ends with. */
async function refusal(...args: string[]): Promise<string> {
  const child = startServe(...args);
  let text = '';
  child.stderr?.on('data', (piece) => {
    text += piece;
  });
  await once(child, 'close');
  return /\((ERR_\w+)\)\n$/.exec(text)?.[1] ?? text;
}

test('it says when it takes commands, and never the password', async () => {
  const plain = await serve();
  await plain.stop();
  assert.equal(plain.ready, `Taking commands from redis://${redis.address}`);
  const json = await serve('--json');
  await json.stop();
  assert.deepEqual(JSON.parse(json.ready), {
    redis: `redis://${redis.address}`,
    stateDir: stateDir(),
  });
});

test('SIGTERM ends it in good order: its jobs have ended and their results are there', async () => {
  const { client, child } = await serve();
  try {
    const id = await client.start('bash', { script: 'echo begun; exec sleep 40', stdin: '' });
    const recurring = await client.start(
      'bash',
      { script: 'exit 0', stdin: '' },
      { recurring_period: 30, stream: true },
    );
    await client.stream(recurring);
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 143);
    assert.equal((await client.result(id)).code, 999);
    assert.equal((await client.result(recurring)).state, 'SUCCESS');
    // What is pushed now is for the next one.
    const later = await client.send('core.ping', {});
    const next = await serve();
    assert.equal(
      await client.redis.brpoplpush(`result:${later}:flag`, `result:${later}:flag`, 10),
      '',
    );
    assert.equal((await client.result(later)).state, 'SUCCESS');
    await next.stop();
  } finally {
    client.close();
  }
});

test('after SIGKILL the next one ends its jobs and tells their clients', async () => {
  const { client, child } = await serve();
  try {
    const journal = join(stateDir(), 'jobs.json');
    const id = await client.start(
      'bash',
      { script: 'echo $$; exec sleep 40', stdin: '' },
      {
        stream: true,
        tags: ['kept'],
      },
    );
    const [, record = ''] = (await client.redis.blpop(`stream:${id}`, 10)) ?? [];
    const pid = Number((JSON.parse(record) as StreamRecord).message.message);
    await until('The journal', async () => readFileOr(journal).includes(`"pid":${pid}`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.ok(existsSync(`/proc/${pid}`));
    assert.equal(await client.redis.ttl(`result:${id}:flag`), -1);
    const next = await serve();
    const { state, code, data, tags } = await client.result(id);
    assert.deepEqual([state, code, tags], ['ERROR', 500, ['kept']]);
    assert.match(data, /core daemon has ended/);
    assert.ok((await client.redis.ttl(`result:${id}:flag`)) > 0);
    await until('The end of the process', async () => !existsSync(`/proc/${pid}`));
    await next.stop();
    assert.ok(!existsSync(journal));
  } finally {
    client.close();
  }
});

test('it refuses a state folder that another one has, and a Redis that refuses it', async () => {
  const first = await serve();
  try {
    assert.equal(await refusal('--redis', url()), 'ERR_CACHE_LOCKED');
  } finally {
    await first.stop();
  }
  assert.equal(await refusal('--redis', url('wrong')), 'ERR_PERMISSION');
  assert.equal(await refusal('--redis', `redis://${redis.address}?prefix=a`), 'ERR_CONFIG');
  assert.equal(await refusal('--redis', 'http://127.0.0.1'), 'ERR_USAGE');
  const file = join(folder, 'broken.yaml');
  writeFileSync(file, 'mine: { args: [a] }\n');
  assert.equal(await refusal('--redis', url(), '--extensions', file), 'ERR_CONFIG');
  for (const taken of ['core.ping', 'corex.create']) {
    writeFileSync(file, `${taken}: { binary: "true" }\n`);
    assert.equal(await refusal('--redis', url(), '--extensions', file), 'ERR_CONFIG');
  }
});

test('a program becomes a command by the extensions file', async () => {
  const file = join(folder, 'extensions.yaml');
  writeFileSync(
    file,
    'greet:\n  binary: sh\n  args: [-c, \'echo "$WORD $1"; cat\', sh, "{name}-{number}"]\n  cwd: /srv\n  env: { WORD: hello }\n',
  );
  const { client, stop } = await serve('--extensions', file, '--max-jobs', '7');
  try {
    const args = { name: '$(id)', number: 5, stdin: 'in' };
    const { state, streams } = await client.run('greet', args);
    assert.deepEqual([state, streams?.[0]], ['SUCCESS', 'hello $(id)-5\nin']);
    assert.equal((await client.run('greet', { name: 'x' })).code, 400);
    assert.equal((await client.run('greet', { name: {}, number: 1 })).code, 400);
    const config = (await client.json('config.get')) as {
      main: { max_jobs: number };
      extension: Record<string, { binary: string }>;
    };
    assert.equal(config.main.max_jobs, 7);
    assert.equal(config.extension['greet']?.binary, 'sh');
  } finally {
    await stop();
  }
});

test('web.download makes a file of what a server has, or nothing', async () => {
  const content = Buffer.alloc(1_500_000, 'from the web ');
  const server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/file' }).end();
    else if (request.url === '/file') response.end(content);
    else if (request.url === '/cut') {
      response.writeHead(200, { 'content-length': '1000' }).write('half');
      response.socket?.end();
    } else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { client, stop } = await serve();
  const destination = join(folder, 'downloaded');
  try {
    assert.equal(await client.json('web.download', { url: `${base}/moved`, destination }), null);
    assert.deepEqual(readFileSync(destination), content);
    for (const path of ['none', 'cut']) {
      const bad = join(folder, path);
      const result = await client.run('web.download', { url: `${base}/${path}`, destination: bad });
      assert.equal(result.state, 'ERROR', path);
      assert.equal(await client.json('filesystem.exists', { path: bad }), false);
    }
    const wrong = { url: 'file:///etc/passwd', destination };
    assert.equal((await client.run('web.download', wrong)).code, 400);
  } finally {
    await stop();
    server.close();
    server.closeAllConnections();
  }
});

test('the log tells more when it is asked to', async () => {
  const { client, child, stop } = await serve();
  let log = '';
  child.stderr?.on('data', (piece) => {
    log += piece;
  });
  try {
    assert.equal(await client.json('logger.set_level', { level: 'debug' }), null);
    const id = await client.start('core.ping', {});
    await until('A line of the log', async () => log.includes(id));
    assert.equal((await client.run('logger.set_level', { level: 'loud' })).code, 400);
    assert.equal(await client.json('logger.reopen'), null);
  } finally {
    await stop();
  }
});

function readFileOr(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
