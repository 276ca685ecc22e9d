/** The control protocol over real sockets, with peers that keep to it and peers that do not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type ErrorCode, G8Error, isG8Error } from '../../../src/base/errors.ts';
import { ControlClient, type ControlHandler, serveControl } from '../../../src/fs/control.ts';
import { gate } from '../../support/gate.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const LINE_SIZE_MAX = 1024 * 1024;
const PENDING_MAX = 64;

async function serve(t: TestContext, handler: ControlHandler): Promise<string> {
  const path = join(temporaryDirectory(t), 'control.sock');
  const server = await serveControl(path, handler);
  t.after(() => server.close());
  return path;
}

async function connect(t: TestContext, path: string): Promise<ControlClient> {
  const client = await ControlClient.connect(path);
  assert.ok(client !== undefined);
  t.after(() => client.close());
  return client;
}

/** A connection that says what a client never would. */
async function rawConnect(t: TestContext, path: string): Promise<Socket> {
  const socket = createConnection(path);
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

/** The end of a connection, whether or not it was orderly. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** A daemon that speaks no protocol unless the test does. */
async function serveRaw(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(temporaryDirectory(t), 'control.sock');
  const server = createServer((socket) => {
    t.after(() => socket.destroy());
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  return path;
}

const fails = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);

test('ControlClient.request() gets the answer of its own request when they come out of order', async (t) => {
  const gates = new Map([0, 1, 2].map((i) => [i, gate()]));
  const path = await serve(t, async (method, params) => {
    const { i } = params as { i: number };
    await gates.get(i)?.opened;
    return `${method} ${i}`;
  });
  const client = await connect(t, path);
  const order: number[] = [];
  const requests = [0, 1, 2].map((i) =>
    client.request('wait', { i }).then((answer) => {
      order.push(i);
      return answer;
    }),
  );
  for (const i of [2, 0, 1]) {
    gates.get(i)?.open();
    await requests[i];
  }
  assert.deepEqual(await Promise.all(requests), ['wait 0', 'wait 1', 'wait 2']);
  assert.deepEqual(order, [2, 0, 1]);
});

test('ControlClient.request() gives null for a method that returns nothing', async (t) => {
  const client = await connect(t, await serve(t, async () => undefined));
  assert.equal(await client.request('unmount', {}), null);
});

test('ControlClient.request() throws the code and message of the daemon', async (t) => {
  const path = await serve(t, async () => {
    throw new G8Error('ERR_NO_FUSE', 'There is no /dev/fuse');
  });
  const client = await connect(t, path);
  await assert.rejects(client.request('mount', {}), {
    code: 'ERR_NO_FUSE',
    message: 'There is no /dev/fuse',
  });
});

test('serveControl() answers ERR_INTERNAL for an error without a code', async (t) => {
  const client = await connect(t, await serve(t, () => Promise.reject(new RangeError('bug'))));
  await assert.rejects(client.request('mount', {}), {
    code: 'ERR_INTERNAL',
    message: 'Request mount failed: bug',
  });
});

for (const code of ['ERR_NEWER', 'toString']) {
  test(`ControlClient.request() takes the unknown code ${code} for ERR_INTERNAL`, async (t) => {
    const path = await serveRaw(t, (socket) => {
      socket.write(`${JSON.stringify({ id: 1, error: { code, message: 'From the future' } })}\n`);
    });
    const client = await connect(t, path);
    await assert.rejects(client.request('list', {}), {
      code: 'ERR_INTERNAL',
      message: 'From the future',
    });
  });
}

for (const [name, text] of [
  ['a garbage line', 'mount it please\n'],
  ['a request without an id', '{"method":"list"}\n'],
  ['a request without a method', '{"id":1}\n'],
  ['null', 'null\n'],
  ['a line over the limit', 'x'.repeat(2 * LINE_SIZE_MAX)],
] as const) {
  test(`serveControl() ends the connection for ${name} and serves the others`, async (t) => {
    const path = await serve(t, async (method) => method);
    const socket = await rawConnect(t, path);
    const closed = closeOf(socket);
    socket.write(text);
    await closed;
    const client = await connect(t, path);
    assert.equal(await client.request('list', {}), 'list');
  });
}

test('serveControl() does not look at what follows a garbage line', async (t) => {
  const methods: string[] = [];
  const path = await serve(t, async (method) => methods.push(method));
  const socket = await rawConnect(t, path);
  const closed = closeOf(socket);
  socket.write('garbage\n{"id":1,"method":"unmount"}\n');
  await closed;
  assert.deepEqual(methods, []);
});

test('serveControl() reads a request that comes in pieces', async (t) => {
  const path = await serve(t, async (_method, params) => params);
  const socket = await rawConnect(t, path);
  const bytes = Buffer.from('{"id":7,"method":"echo","params":"gr\u00fcn"}\n');
  const answer = once(socket, 'data');
  // Cut in the middle of a character.
  const cut = bytes.indexOf(0xbc);
  socket.write(bytes.subarray(0, cut), () => socket.write(bytes.subarray(cut)));
  assert.equal(String((await answer)[0]), '{"id":7,"result":"gr\u00fcn"}\n');
});

test('serveControl() ends a connection with too many requests in progress', async (t) => {
  const never = gate();
  t.after(() => never.open());
  let asked = 0;
  const path = await serve(t, async () => {
    asked++;
    await never.opened;
  });
  const socket = await rawConnect(t, path);
  const closed = closeOf(socket);
  socket.write('{"id":1,"method":"mount"}\n'.repeat(PENDING_MAX + 1));
  await closed;
  assert.equal(asked, PENDING_MAX);
});

test('serveControl() finishes the request of a client that went away', async (t) => {
  const asked = gate();
  const answered = gate();
  const goOn = gate();
  const path = await serve(t, async () => {
    asked.open();
    await goOn.opened;
    setImmediate(() => answered.open());
  });
  const client = await connect(t, path);
  const request = client.request('mount', {});
  await asked.opened;
  client.close();
  await assert.rejects(request, fails('ERR_STORE_UNAVAILABLE'));
  goOn.open();
  await answered.opened;
  assert.equal(await (await connect(t, path)).request('list', {}), null);
});

test('ControlClient.request() ends when the daemon goes away while it waits', async (t) => {
  const path = await serveRaw(t, (socket) => socket.once('data', () => socket.destroy()));
  const client = await connect(t, path);
  await assert.rejects(client.request('mount', {}), fails('ERR_STORE_UNAVAILABLE'));
});

test('ControlClient.request() ends at once when the daemon is gone already', async (t) => {
  const path = await serveRaw(t, (socket) => socket.once('data', () => socket.destroy()));
  const client = await connect(t, path);
  await assert.rejects(client.request('list', {}));
  await assert.rejects(client.request('list', {}), fails('ERR_STORE_UNAVAILABLE'));
});

for (const line of ['no JSON', 'null', '{"id":1}', '{"id":1,"error":null}']) {
  test(`ControlClient.request() ends when the daemon answers ${line}`, async (t) => {
    const path = await serveRaw(t, (socket) =>
      socket.once('data', () => socket.write(`${line}\n`)),
    );
    const client = await connect(t, path);
    await assert.rejects(client.request('list', {}), fails('ERR_STORE_UNAVAILABLE'));
  });
}

test('ControlClient.request() ends with ERR_TIMEOUT at its deadline and ignores a late answer', async (t) => {
  const late = gate();
  const path = await serve(t, async (method) => {
    if (method === 'slow') await late.opened;
    return method;
  });
  const client = await connect(t, path);
  await assert.rejects(client.request('slow', {}, 10), fails('ERR_TIMEOUT'));
  late.open();
  assert.equal(await client.request('list', {}), 'list');
});

test('serveControl() lets only the owner connect', async (t) => {
  const path = await serve(t, async () => null);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('serveControl() replaces what a daemon that died has left', async (t) => {
  const path = join(temporaryDirectory(t), 'control.sock');
  writeFileSync(path, 'stale');
  const server = await serveControl(path, async () => 'new');
  t.after(() => server.close());
  assert.equal(await (await connect(t, path)).request('list', {}), 'new');
});

test('serveControl() outlives a connection that cannot be accepted', async (t) => {
  const path = join(temporaryDirectory(t), 'control.sock');
  const server = await serveControl(path, async () => 'here');
  t.after(() => server.close());
  for (let i = 0; i < 2; i++) server.emit('error', new Error('accept EMFILE'));
  assert.equal(await (await connect(t, path)).request('list', {}), 'here');
});

test('serveControl() fails where no socket can be made', async (t) => {
  const path = join(temporaryDirectory(t), 'no', 'such', 'folder.sock');
  await assert.rejects(
    serveControl(path, async () => null),
    (error) => isG8Error(error),
  );
});

test('ControlClient.connect() finds no daemon without a socket and behind a dead one', async (t) => {
  const dir = temporaryDirectory(t);
  assert.equal(await ControlClient.connect(join(dir, 'absent.sock')), undefined);
  writeFileSync(join(dir, 'dead.sock'), '');
  assert.equal(await ControlClient.connect(join(dir, 'dead.sock')), undefined);
});
