/** Finding and starting daemons; small scripts stand in for the program. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { sleep } from '../../../src/base/deadline.ts';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import {
  connectDaemon,
  connectOrStartDaemon,
  controlSocket,
  type DaemonCommand,
  dropExpected,
  expectDaemon,
  expectMount,
} from '../../../src/fs/client.ts';
import { serveControl } from '../../../src/fs/control.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const LOG_SIZE_MAX = 8 * 1024 * 1024;
const fails = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);

/** Answers every request with its pid, and ends when it is told or left alone. */
const SERVE = `
  const server = require('node:net').createServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => process.exit());
    socket.on('data', (data) => {
      const { id } = JSON.parse(data);
      socket.write(JSON.stringify({ id, result: process.pid }) + '\\n');
    });
  });
  setTimeout(() => process.exit(), 20000);
  server.listen(socket, () => say('ready'));
`;

/** A daemon program that runs `script`, in which `say` writes a line to the starter. */
function daemon(t: TestContext, script: string): DaemonCommand & { readonly runs: () => number } {
  const dir = temporaryDirectory(t);
  const cacheDir = join(dir, 'cache');
  const runs = join(dir, 'runs');
  const program = join(dir, 'daemon.cjs');
  const prelude = `
    const fs = require('node:fs');
    const socket = ${JSON.stringify(controlSocket(cacheDir))};
    fs.appendFileSync(${JSON.stringify(runs)}, 'x');
    const run = fs.readFileSync(${JSON.stringify(runs)}).length;
    const fd = Number(process.argv[process.argv.indexOf('--notify-fd') + 1]);
    const say = (line) => fs.writeSync(fd, line + '\\n');
  `;
  writeFileSync(program, prelude + script);
  return {
    cacheDir,
    program: process.execPath,
    args: [program],
    runs: () => (existsSync(runs) ? readFileSync(runs).length : 0),
  };
}

function log(command: DaemonCommand): string {
  return readFileSync(join(command.cacheDir, 'run', 'daemon.log'), 'utf8');
}

test('connectDaemon() finds none for a cache that is not there', async (t) => {
  assert.equal(await connectDaemon(join(temporaryDirectory(t), 'absent')), undefined);
});

test('an expected daemon that listens before it says so is not dropped once it is used', async (t) => {
  const late = SERVE.replace("say('ready')", "setTimeout(() => say('ready'), 300)");
  const command = daemon(t, late);
  expectDaemon(command);
  let found = await connectDaemon(command.cacheDir);
  for (; found === undefined; found = await connectDaemon(command.cacheDir)) await sleep(10);
  const client = await connectOrStartDaemon(command);
  t.after(() => client.close());
  dropExpected();
  await sleep(50);
  assert.equal(typeof (await client.request('list', {})), 'number');
  found.close();
});

test('connectOrStartDaemon() connects to a daemon that runs and starts none', async (t) => {
  const command = daemon(t, 'say("ready")');
  mkdirSync(join(command.cacheDir, 'run'), { recursive: true });
  const server = await serveControl(controlSocket(command.cacheDir), async () => 'here');
  t.after(() => server.close());
  const client = await connectOrStartDaemon(command);
  t.after(() => client.close());
  assert.equal(await client.request('list', {}), 'here');
  assert.equal(command.runs(), 0);
});

test('expectMount() tells a daemon that runs, over the connection that is given next', async (t) => {
  const command = daemon(t, 'say("ready")');
  // Without a daemon nothing happens.
  await expectMount(command.cacheDir, 'http://hub/a.flist');
  mkdirSync(join(command.cacheDir, 'run'), { recursive: true });
  const asked: unknown[] = [];
  const server = await serveControl(controlSocket(command.cacheDir), async (method, params) => {
    asked.push([method, params]);
  });
  let connections = 0;
  server.on('connection', () => connections++);
  t.after(() => server.close());
  await expectMount(command.cacheDir, 'http://hub/a.flist');
  const client = await connectOrStartDaemon(command);
  t.after(() => client.close());
  await client.request('list', {});
  assert.deepEqual(asked, [
    ['expect', { source: 'http://hub/a.flist' }],
    ['list', {}],
  ]);
  assert.deepEqual([connections, command.runs()], [1, 0]);
  // One that is not used is closed.
  await expectMount(command.cacheDir, 'http://hub/b.flist');
  const closed = new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  assert.equal(await closed, 2);
  dropExpected();
  const deadline = Date.now() + 10_000;
  for (;;) {
    const count = await new Promise((resolve) => server.getConnections((_, n) => resolve(n)));
    if (count === 1) break;
    assert.ok(Date.now() < deadline, 'the connection stays');
    await sleep(10);
  }
});

test('connectOrStartDaemon() starts a daemon and connects when it is ready', async (t) => {
  const command = daemon(t, SERVE);
  const client = await connectOrStartDaemon(command);
  t.after(() => client.close());
  assert.notEqual(await client.request<number>('list', {}), process.pid);
  assert.equal(command.runs(), 1);
});

test('connectOrStartDaemon() throws what the daemon failed with', async (t) => {
  const error = { code: 'ERR_PERMISSION', message: 'Not allowed', type: 'error' };
  const command = daemon(t, `say(${JSON.stringify(JSON.stringify(error))})`);
  await assert.rejects(connectOrStartDaemon(command), {
    code: 'ERR_PERMISSION',
    message: 'Not allowed',
  });
  assert.equal(command.runs(), 1);
});

for (const [name, script] of [
  ['dies silently', ''],
  ['is killed', 'process.kill(process.pid, "SIGKILL")'],
  ['says something else', 'say("hello")'],
  ['fails with a code nobody knows', 'say(JSON.stringify({ code: "toString", message: "?" }))'],
] as const) {
  test(`connectOrStartDaemon() ends with ERR_INTERNAL when the daemon ${name}`, async (t) => {
    const command = daemon(t, script);
    await assert.rejects(connectOrStartDaemon(command), fails('ERR_INTERNAL'));
    assert.equal(command.runs(), 1);
  });
}

test('connectOrStartDaemon() tries again while another process has the cache', async (t) => {
  const locked = JSON.stringify({ code: 'ERR_CACHE_LOCKED', message: 'In use' });
  const command = daemon(t, `if (run < 3) say(${JSON.stringify(locked)}); else { ${SERVE} }`);
  const client = await connectOrStartDaemon(command);
  t.after(() => client.close());
  assert.ok((await client.request<number>('list', {})) > 0);
  assert.equal(command.runs(), 3);
});

test('connectOrStartDaemon() fails when the program is not there', async (t) => {
  const command = { ...daemon(t, ''), program: '/no/such/program' };
  await assert.rejects(connectOrStartDaemon(command), fails('ERR_NO_INPUT'));
});

test('connectOrStartDaemon() fails when the cache cannot be made', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  const command = { ...daemon(t, ''), cacheDir: join(file, 'cache') };
  await assert.rejects(connectOrStartDaemon(command), (error) => isG8Error(error));
  assert.equal(command.runs(), 0);
});

test('connectOrStartDaemon() keeps what the daemon prints in a log, behind what was there', async (t) => {
  const command = daemon(t, 'console.log("to stdout"); console.error("to stderr")');
  for (let i = 0; i < 2; i++) await assert.rejects(connectOrStartDaemon(command));
  // The daemon says nothing on the other pipe before it has ended.
  assert.equal(log(command), 'to stdout\nto stderr\n'.repeat(2));
});

test('connectOrStartDaemon() puts a large log aside', async (t) => {
  const command = daemon(t, 'console.error("new")');
  const path = join(command.cacheDir, 'run', 'daemon.log');
  mkdirSync(join(command.cacheDir, 'run'), { recursive: true });
  appendFileSync(path, 'old');
  truncateSync(path, LOG_SIZE_MAX + 1);
  await assert.rejects(connectOrStartDaemon(command));
  assert.equal(log(command), 'new\n');
  assert.equal(readFileSync(`${path}.1`).length, LOG_SIZE_MAX + 1);
});
