/** The control protocol with peers that say anything: both sides refuse it and go on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../src/base/errors.ts';
import { ControlClient, serveControl } from '../../src/fs/control.ts';
import {
  parseMountPoint,
  parseMountRequest,
  parseTraceRequest,
  parseUnmountRequest,
} from '../../src/fs/requests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { amount } from '../support/thorough.ts';

const MOUNT = {
  source: '/a.flist',
  mountPoint: '/mnt',
  stores: ['http://hub'],
  deadlineMs: 30_000,
  openMode: 'auto',
  driver: 'native',
  allowOther: true,
  requireSignature: ['A'.repeat(43).concat('=')],
  upper: '/upper',
  work: '/work',
  prefetch: { mode: 'all', profile: '/p', rateBytes: 10_000 },
  record: '/r',
};
const PARSERS = [parseMountRequest, parseMountPoint, parseTraceRequest, parseUnmountRequest];
const anything = fc.jsonValue({ maxDepth: 3 });
/** A good request with some of its fields replaced or left out, and others. */
const nearly = fc
  .record({
    fields: fc.array(fc.tuple(fc.constantFrom(...Object.keys(MOUNT), '__proto__', 'x'), anything)),
    gone: fc.array(fc.constantFrom(...Object.keys(MOUNT))),
  })
  .map(({ fields, gone }) => {
    const request: Record<string, unknown> = { ...MOUNT, ...Object.fromEntries(fields) };
    for (const name of gone) delete request[name];
    return request;
  });

test('parameters of any kind are taken or ERR_PROTOCOL', () => {
  fc.assert(
    fc.property(fc.oneof(anything, nearly), (params) => {
      for (const parse of PARSERS) {
        try {
          parse(params);
        } catch (error) {
          assert.ok(isG8Error(error, 'ERR_PROTOCOL'), String(error));
        }
      }
    }),
    { numRuns: amount(3_000, 200_000) },
  );
});

/** Lines that may be requests or answers, and bytes that are neither. */
const line = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.record({ id: anything, method: anything, params: anything, result: anything }).map(asLine),
  fc.record({ id: fc.nat(5), method: fc.string(), params: nearly }).map(asLine),
  fc.record({ id: fc.nat(5), error: anything }).map(asLine),
);

function asLine(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

test('a daemon that is told anything answers others all the same', async (t) => {
  const path = join(temporaryDirectory(t), 'control.sock');
  const server = await serveControl(path, async (method, params) => {
    if (method !== 'ping') parseMountRequest(params);
    return method;
  });
  t.after(() => server.close());
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
      const socket = createConnection(path);
      socket.on('error', () => {});
      socket.resume();
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.end(Buffer.concat(lines));
      const client = await ControlClient.connect(path);
      assert.equal(await client?.request('ping', {}, 10_000), 'ping');
      client?.close();
      await closed;
    }),
    { numRuns: amount(100, 5_000) },
  );
});

test('a command that is answered anything ends', async (t) => {
  const said = { lines: [] as Buffer[] };
  const path = await hostileDaemon(t, said);
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
      said.lines = lines;
      const client = await ControlClient.connect(path);
      try {
        await client?.request('list', {}, 10_000);
      } catch (error) {
        assert.ok(isG8Error(error), String(error));
      } finally {
        client?.close();
      }
    }),
    { numRuns: amount(100, 5_000) },
  );
});

async function hostileDaemon(t: TestContext, said: { lines: Buffer[] }): Promise<string> {
  const path = join(temporaryDirectory(t), 'control.sock');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.concat(said.lines)));
  });
  server.listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  return path;
}
