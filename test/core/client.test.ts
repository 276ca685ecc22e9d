/** Our own client of the core daemon: the library, and `g8ufs core cmd`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isG8Error } from '../../src/base/errors.ts';
import { CoreClient } from '../../src/core/client/core-client.ts';
import { type CoreWorld, startCoreWorld } from '../support/core-world.ts';
import { runCli } from '../support/run-cli.ts';

let world: CoreWorld;
let client: CoreClient;

before(async () => {
  world = await startCoreWorld();
  client = await CoreClient.connect(`redis://${world.redis.address}`);
});
after(async () => {
  client?.close();
  await world?.stop();
});

function url(): string {
  return `redis://${world.redis.address}`;
}

test('commands have values, processes have output and status', async () => {
  assert.match(await client.ping(), /^PONG /);
  const { stdout, stderr, code, state } = await client.run('echo out; echo err >&2; exit 3');
  assert.deepEqual([stdout, stderr, code, state], ['out\n', 'err\n', 1003, 'ERROR']);
  const job = await client.system('cat', { stdin: 'in', tags: ['t'], queue: 'q' });
  const result = await job.result();
  assert.deepEqual([result.stdout, result.tags, result.container], ['in', ['t'], 0]);
  assert.equal((await client.job(job.id).result()).stdout, 'in');
});

test('failures are errors with the number of the command', async () => {
  const failing = (command: string, args = {}) => client.json(command, args);
  await assert.rejects(failing('no.such'), (error) => isG8Error(error, 'ERR_USAGE'));
  await assert.rejects(
    failing('filesystem.open', { file: 5, mode: 'r', perm: 0 }),
    (error) => isG8Error(error, 'ERR_USAGE') && error.details['commandCode'] === 400,
  );
  await assert.rejects(client.job('unknown').result(), (error) => isG8Error(error, 'ERR_NO_INPUT'));
});

test('records come while a job runs, and a wait ends with its time or signal', async () => {
  const job = await client.bash('echo one; read line; echo two', { stdin: 'x\n', stream: true });
  const texts: [number, string][] = [];
  for await (const { level, text, isEnd } of job.records()) if (!isEnd) texts.push([level, text]);
  assert.equal(texts.map(([, text]) => text).join(''), 'one\ntwo\n');
  const slow = await client.bash('exec sleep 40');
  assert.equal(await slow.isRunning(), true);
  await assert.rejects(slow.result({ timeoutMs: 50 }), (error) => isG8Error(error, 'ERR_TIMEOUT'));
  const controller = new AbortController();
  const waiting = slow.result({ signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, (error) => isG8Error(error, 'ERR_ABORTED'));
  assert.equal(await client.json('job.kill', { id: slow.id, signal: 9 }), true);
  assert.equal((await slow.result()).code, 999);
  assert.equal(await slow.isRunning(), false);
});

test('files are written, read and listed', async () => {
  const bytes = Buffer.alloc(1_200_000, 'content ');
  const { files } = client;
  await files.makeFolder('sub/folder');
  await files.write('sub/file', bytes, 0o600);
  assert.deepEqual(Buffer.from(await files.read('sub/file')), bytes);
  assert.deepEqual(await files.list('sub'), [
    { name: 'file', mode: 0o600, sizeBytes: bytes.length, isFolder: false },
    {
      name: 'folder',
      mode: 0o755,
      sizeBytes: (await files.list('sub'))[1]?.sizeBytes,
      isFolder: true,
    },
  ]);
  await files.move('sub/file', 'sub/other');
  assert.equal(await files.exists('sub/file'), false);
  await files.remove('sub');
  assert.equal(await files.exists('sub'), false);
  await assert.rejects(files.read('sub/file'), (error) => isG8Error(error));
});

test('many waits run at once', async () => {
  const jobs = await Promise.all(Array.from({ length: 20 }, (_, i) => client.bash(`echo ${i}`)));
  const results = await Promise.all(jobs.map((job) => job.result()));
  assert.deepEqual(
    results.map(({ stdout }) => stdout),
    Array.from({ length: 20 }, (_, i) => `${i}\n`),
  );
});

test('connect() says when there is no Redis, a closed client that it is closed', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const connecting = CoreClient.connect('redis://127.0.0.1:1', { signal });
  controller.abort();
  await assert.rejects(connecting, (error) => isG8Error(error, 'ERR_ABORTED'));
  await assert.rejects(CoreClient.connect('redis://127.0.0.1?prefix=a'), (error) =>
    isG8Error(error, 'ERR_CONFIG'),
  );
  const closed = await CoreClient.connect(url());
  const job = await closed.bash('true');
  closed.close();
  await assert.rejects(job.result());
});

test('core cmd prints values and output, and ends as the command did', async () => {
  const cmd = (...args: string[]) => runCli(['core', 'cmd', '--redis', url(), ...args]);
  const ping = await cmd('core.ping');
  assert.equal(ping.code, 0, ping.stderr);
  assert.match(ping.stdout, /^"PONG /);
  const script = JSON.stringify({ script: 'echo out; echo err >&2; exit 5' });
  for (const flags of [[], ['--stream']]) {
    const { stdout, stderr, code } = await cmd('bash', script, ...flags);
    assert.deepEqual([stdout, stderr, code], ['out\n', 'err\n', 5]);
  }
  const whole = await cmd('bash', script, '--json', '--tag', 'a', '--id', 'chosen');
  const { id, tags } = JSON.parse(whole.stdout) as { id: string; tags: string[] };
  assert.deepEqual([id, tags], ['chosen', ['a']]);
  const unknown = await cmd('no.such');
  assert.deepEqual([unknown.code, unknown.stdout], [64, '']);
  assert.match(unknown.stderr, /no command no\.such/);
  assert.equal((await cmd('core.ping', '[]')).code, 64);
});
