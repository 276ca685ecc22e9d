/** The HTTP store against servers that behave well, badly, slowly and not at all. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type ErrorCode, G8Error, isG8Error } from '../../../src/base/errors.ts';
import { chunkPath } from '../../../src/store/chunk-id.ts';
import { HttpStore } from '../../../src/store/http.ts';
import { HttpClient, type HttpOptions } from '../../../src/store/http-client.ts';
import { parseRetryAfter } from '../../../src/store/http-failure.ts';
import { READ_RETRY, withRetry } from '../../../src/store/retry.ts';
import { CHUNK_SIZE_MAX } from '../../../src/store/store.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { bodyOf, type Listener, startServer, startTcpServer } from '../../support/http-server.ts';

const CHUNK = chunkOf('chunk');
const PATH = `/${chunkPath(CHUNK.id)}`;

const isError =
  (code: ErrorCode, reason = /./) =>
  (error: unknown) =>
    isG8Error(error, code) && reason.test(error.message) && !/secret/.test(error.message);

/** Answers the static layout with one chunk, and everything else with 404. */
const oneChunk: Listener = (request, response) => {
  response.writeHead(request.url === PATH ? 200 : 404);
  response.end(request.url === PATH && request.method === 'GET' ? CHUNK.bytes : undefined);
};

/** Calls `serve` for chunks and answers 404 to the probe. */
function chunksOnly(serve: (response: ServerResponse) => void): Listener {
  return (request, response) => {
    if (request.url === '/api/v1') response.writeHead(404).end();
    else serve(response);
  };
}

async function using<T>(
  url: string,
  options: HttpOptions,
  run: (store: HttpStore) => Promise<T>,
): Promise<T> {
  const store = new HttpStore(url, options);
  try {
    return await run(store);
  } finally {
    await store.close();
  }
}

test('get() asks for the two-level path below the base', async (t) => {
  const { url, requests } = await startServer(t, (request, response) => {
    response.writeHead(request.url === `/base${PATH}` ? 200 : 404).end('bytes');
  });
  await using(`${url}/base/`, {}, (store) => store.get(CHUNK.id));
  assert(requests.includes(`GET /base${PATH}`));
});

test('get() falls back to the flat layout and then begins there', async (t) => {
  const { url, requests } = await startServer(t, (request, response) => {
    response.writeHead(request.url === `/${CHUNK.id}` ? 200 : 404).end('bytes');
  });
  await using(url, {}, async (store) => {
    await store.get(CHUNK.id);
    requests.length = 0;
    await store.get(CHUNK.id);
  });
  assert.deepEqual(requests, [`GET /${CHUNK.id}`]);
});

test('get() does not wait for the probe', async (t) => {
  let answerProbe = () => {};
  const { url } = await startServer(t, (request, response) => {
    if (request.url === '/api/v1') answerProbe = () => response.writeHead(404).end();
    else oneChunk(request, response);
  });
  await using(url, {}, async (store) => {
    assert.equal((await store.get(CHUNK.id)).length, CHUNK.bytes.length);
    answerProbe();
  });
});

test('the probe is made once', async (t) => {
  const { url, requests } = await startServer(t, oneChunk);
  await using(url, {}, async (store) => {
    await Promise.all([store.get(CHUNK.id), store.get(CHUNK.id)]);
    await store.missing([CHUNK.id]);
    await store.get(CHUNK.id);
  });
  assert.equal(requests.filter((request) => request === 'GET /api/v1').length, 1);
});

test('corrupt bytes are passed on as they came', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => response.end('rotten')),
  );
  const bytes = await using(url, {}, (store) => store.get(CHUNK.id));
  assert.equal(Buffer.from(bytes).toString(), 'rotten');
});

const CREDENTIALS: readonly [user: string, token: string | undefined, header: string][] = [
  ['user:secret@', undefined, `Basic ${Buffer.from('user:secret').toString('base64')}`],
  ['us%40er:sec%25ret@', undefined, `Basic ${Buffer.from('us@er:sec%ret').toString('base64')}`],
  ['secret@', undefined, 'Bearer secret'],
  ['user:secret@', 'token', 'Bearer token'],
];
for (const [user, token, header] of CREDENTIALS) {
  test(`credentials ${user} and token ${token} become ${header.slice(0, 6)}`, async (t) => {
    let sent: string | undefined;
    const { url } = await startServer(t, (request, response) => {
      sent = request.headers.authorization;
      response.writeHead(403).end();
    });
    await using(url.replace('//', `//${user}`), { token }, async (store) => {
      assert.equal(store.name, url);
      await assert.rejects(store.get(CHUNK.id), isError('ERR_PERMISSION'));
    });
    assert.equal(sent, header);
  });
}

const STATUSES: readonly [status: number, code: ErrorCode][] = [
  [404, 'ERR_CHUNK_MISSING'],
  [410, 'ERR_CHUNK_MISSING'],
  [401, 'ERR_PERMISSION'],
  [403, 'ERR_PERMISSION'],
  [408, 'ERR_STORE_UNAVAILABLE'],
  [429, 'ERR_STORE_UNAVAILABLE'],
  [500, 'ERR_STORE_UNAVAILABLE'],
  [502, 'ERR_STORE_UNAVAILABLE'],
  [503, 'ERR_STORE_UNAVAILABLE'],
  [301, 'ERR_PROTOCOL'],
  [400, 'ERR_PROTOCOL'],
  [418, 'ERR_PROTOCOL'],
];
for (const [status, code] of STATUSES) {
  test(`status ${status} is ${code}`, async (t) => {
    const { url } = await startServer(t, (_request, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end('some page');
    });
    await using(url, {}, (store) => assert.rejects(store.get(CHUNK.id), isError(code)));
  });
}

test('the detail of a problem document is in the message, made harmless', async (t) => {
  const { url } = await startServer(t, (_request, response) => {
    response.writeHead(400, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ detail: 'Bad \u001b[31m id' }));
  });
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_PROTOCOL', /: Bad \?\[31m id$/)),
  );
});

test('Retry-After is honoured by the retries around', async (t) => {
  let calls = 0;
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      if (++calls === 1) response.writeHead(503, { 'retry-after': '2' }).end();
      else response.end(CHUNK.bytes);
    }),
  );
  const slept: number[] = [];
  const clock = {
    now: () => 0,
    random: () => 0,
    sleep: async (ms: number) => {
      slept.push(ms);
    },
  };
  const store = withRetry(new HttpStore(url), READ_RETRY, clock);
  t.after(() => store.close());
  await store.get(CHUNK.id);
  assert.deepEqual(slept, [2000]);
});

test('parseRetryAfter() reads seconds and dates within bounds', () => {
  const now = Date.UTC(2030, 0, 1);
  assert.equal(parseRetryAfter('7', now), 7000);
  assert.equal(parseRetryAfter(new Date(now + 4000).toUTCString(), now), 4000);
  assert.equal(parseRetryAfter(new Date(now - 4000).toUTCString(), now), 0);
  assert.equal(parseRetryAfter('999999999', now), 300_000);
  assert.equal(parseRetryAfter('soon', now), undefined);
  assert.equal(parseRetryAfter(undefined, now), undefined);
});

test('a server that never answers is given up in time', async (t) => {
  const { url } = await startServer(t, () => {});
  await using(url, { requestTimeoutMs: 50 }, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_TIMEOUT', /took longer than 50 ms/)),
  );
});

test('a server that sends a byte now and then is given up in time', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      response.writeHead(200, { 'content-length': '100000' });
      const timer = setInterval(() => response.write('x'), 10);
      response.on('close', () => clearInterval(timer));
    }),
  );
  await using(url, { requestTimeoutMs: 100 }, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_TIMEOUT')),
  );
});

test('a body that stops coming is given up in time', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('x');
    }),
  );
  await using(url, { idleTimeoutMs: 100 }, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_TIMEOUT')),
  );
});

test('a connection that is reset within the body may be tried again', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      response.writeHead(200, { 'content-length': '100000' });
      response.write('x', () => response.socket?.resetAndDestroy());
    }),
  );
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_STORE_UNAVAILABLE')),
  );
});

test('a body that ends early may be tried again', async (t) => {
  const url = await startTcpServer(t, (socket) => {
    socket.once('data', () => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort');
    });
  });
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_STORE_UNAVAILABLE')),
  );
});

test('a port where nobody listens is unavailable', async (t) => {
  const { url, server } = await startServer(t, () => {});
  await new Promise((resolve) => server.close(resolve));
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_STORE_UNAVAILABLE', /ECONNREFUSED/)),
  );
});

test('a name that nobody has is ERR_HOST_UNKNOWN', async () => {
  await using('http://store.invalid', {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_HOST_UNKNOWN')),
  );
});

test('a peer that speaks no HTTP is ERR_PROTOCOL', async (t) => {
  const url = await startTcpServer(t, (socket) => {
    socket.once('data', () => socket.end('220 smtp.example ESMTP\r\n'));
  });
  await using(url, {}, (store) => assert.rejects(store.get(CHUNK.id), isError('ERR_PROTOCOL')));
});

test('a body that states too many bytes is refused', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      response.writeHead(200, { 'content-length': String(CHUNK_SIZE_MAX + 1) });
      response.write('x');
    }),
  );
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_PROTOCOL', /larger than/)),
  );
});

test('a body without end is refused when it passes the bound', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65536)));
      };
      response.on('drain', pour);
      pour();
    }),
  );
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_PROTOCOL', /larger than/)),
  );
});

test('a body in an encoding that nobody asked for is refused', async (t) => {
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    }),
  );
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id), isError('ERR_PROTOCOL', /content encoding gzip/)),
  );
});

test('get() ends when its caller aborts, with the reason of the caller', async (t) => {
  const controller = new AbortController();
  const reason = new G8Error('ERR_TIMEOUT', 'Reader gave up');
  const { url } = await startServer(
    t,
    chunksOnly((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('x', () => controller.abort(reason));
    }),
  );
  await using(url, {}, (store) =>
    assert.rejects(store.get(CHUNK.id, { signal: controller.signal }), reason),
  );
});

test('no more connections are opened than allowed', async (t) => {
  let open = 0;
  let openMax = 0;
  const { url, server } = await startServer(t, oneChunk);
  server.on('connection', (socket) => {
    openMax = Math.max(openMax, ++open);
    socket.on('close', () => open--);
  });
  await using(url, { connectionsMax: 3 }, async (store) => {
    await Promise.all(Array.from({ length: 30 }, () => store.get(CHUNK.id)));
  });
  assert(openMax <= 3, `${openMax} connections`);
});

test('put() on a server that is no hub is refused', async (t) => {
  const { url, requests } = await startServer(t, oneChunk);
  await using(url, {}, (store) =>
    assert.rejects(store.put(CHUNK.id, CHUNK.bytes), isError('ERR_PERMISSION', /read-only/)),
  );
  assert.deepEqual(requests, ['GET /api/v1']);
});

test('close() ends calls that are under way, and later ones', async (t) => {
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { url } = await startServer(
    t,
    chunksOnly(() => arrived()),
  );
  const store = new HttpStore(url);
  const getting = assert.rejects(store.get(CHUNK.id), isError('ERR_ABORTED'));
  await arrival;
  await store.close();
  await getting;
  await assert.rejects(store.get(CHUNK.id), isError('ERR_ABORTED'));
});

test('a store that was used keeps no process alive', async (t) => {
  const { url } = await startServer(t, oneChunk);
  const module = pathToFileURL(`${import.meta.dirname}/../../../src/store/http.js`).href;
  const script = `
    const { HttpStore } = await import(${JSON.stringify(module)});
    const store = new HttpStore(${JSON.stringify(url)});
    await store.get(${JSON.stringify(CHUNK.id)});
    if (process.argv[1] === 'close') await store.close();
  `;
  for (const argument of ['close', 'leave']) {
    const args = ['--input-type=module', '-e', script, argument];
    await promisify(execFile)(process.execPath, args, { timeout: 15_000 });
  }
});

test('the query of a base URL goes with every request', async (t) => {
  const { url, requests } = await startServer(t, (_request, response) => response.end('{}'));
  const client = new HttpClient(`${url}/a?key=secret`);
  t.after(() => client.close());
  await client.request({ method: 'GET', path: '/b' }, () => undefined);
  await client.request({ method: 'GET', path: '/b?c=1' }, () => undefined);
  assert.deepEqual(requests, ['GET /a/b?key=secret', 'GET /a/b?c=1&key=secret']);
  assert(!client.name.includes('secret'));
});

test('a refused request is sent once more with another token, and its body with it', async (t) => {
  let token = 'old';
  const seen: string[] = [];
  const { url } = await startServer(t, async (request, response) => {
    const { authorization = 'none' } = request.headers;
    seen.push(`${authorization} ${await bodyOf(request)}`);
    token = 'new';
    response.writeHead(authorization === 'Bearer new' ? 200 : 401).end();
  });
  const client = new HttpClient(url, { login: async () => token });
  t.after(() => client.close());
  const body = () => Readable.from([Buffer.from('body')], { objectMode: false });
  await client.request({ method: 'PUT', path: '/a', body }, () => undefined);
  assert.deepEqual(seen, ['Bearer old body', 'Bearer new body']);
});

test('a token that stays refused ends in an error that says what to do', async (t) => {
  const { url, requests } = await startServer(t, (_request, response) => {
    response.writeHead(401).end();
  });
  const client = new HttpClient(url, { login: async () => 'g8_secret' });
  t.after(() => client.close());
  const asked = client.request({ method: 'GET', path: '/a' }, () => undefined);
  await assert.rejects(asked, isError('ERR_PERMISSION', /401; log in with g8ufs login$/));
  assert.equal(requests.length, 1);
});

test('credentials in the URL win over a login, which is not asked for', async (t) => {
  const { url } = await startServer(t, (request, response) => {
    response.writeHead(request.headers.authorization === 'Bearer url' ? 200 : 401).end();
  });
  const login = async () => assert.fail('asked');
  const client = new HttpClient(url.replace('//', '//url@'), { login });
  t.after(() => client.close());
  await client.request({ method: 'GET', path: '/a' }, () => undefined);
});

test('a wrong token is not sent again at once, and what is private then is not called absent', async (t) => {
  const { url } = await startServer(t, (request, response) => {
    const { authorization } = request.headers;
    if (request.url === '/public') response.writeHead(200).end();
    else response.writeHead(authorization === undefined ? 404 : 401).end();
  });
  const client = new HttpClient(url, { login: async () => 'g8_secret' });
  t.after(() => client.close());
  const get = (path: string) =>
    client.request({ method: 'GET', path, accept: [404] }, ({ status }) => status);
  await assert.rejects(get('/a'), isError('ERR_PERMISSION', /answered with 401; log in/));
  await assert.rejects(get('/a'), isError('ERR_PERMISSION', /the one for it was refused; log in/));
  assert.equal(await get('/public'), 200);
});
