/** A flist as a stream over real HTTP, from servers that break off in the middle. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { streamFlist } from '../../../src/store/flist-stream.ts';
import { HttpClient } from '../../../src/store/http-client.ts';
import { startServer } from '../../support/http-server.ts';

const FLIST = randomBytes(300_000);
const CUT = 100_000;

interface Behaviour {
  /** Entity tag of each answer in turn; the last one for all later ones. */
  readonly tags: readonly string[];
  /** Whether it can begin anywhere but at the start. */
  readonly ranges?: boolean;
}

/** Serves the flist; its first answer ends early. */
async function breakingServer(t: TestContext, { tags, ranges = true }: Behaviour) {
  const asked: (string | undefined)[] = [];
  const server = await startServer(t, (request: IncomingMessage, response: ServerResponse) => {
    const { range } = request.headers;
    const etag = tags[Math.min(asked.length, tags.length - 1)] as string;
    asked.push(range);
    const isSame = request.headers['if-range'] === etag;
    const start = ranges && isSame ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0;
    const place = { 'content-range': `bytes ${start}-${FLIST.length - 1}/${FLIST.length}` };
    response.writeHead(start > 0 ? 206 : 200, {
      etag,
      'content-length': FLIST.length - start,
      ...(start > 0 && place),
    });
    if (asked.length > 1) response.end(FLIST.subarray(start));
    else response.write(FLIST.subarray(0, CUT), () => response.destroy());
  });
  const client = new HttpClient(`${server.url}/app.flist`);
  t.after(() => client.close());
  return { client, asked };
}

async function read(client: HttpClient, onSize?: (size: number | undefined) => void) {
  const pieces: Uint8Array[] = [];
  for await (const piece of streamFlist(client, '', { onSize })) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('streamFlist() goes on where the connection broke', async (t) => {
  const { client, asked } = await breakingServer(t, { tags: ['"one"'] });
  const sizes: (number | undefined)[] = [];
  assert.ok(FLIST.equals(await read(client, (size) => sizes.push(size))));
  assert.deepEqual(sizes, [FLIST.length]);
  assert.equal(asked[0], undefined);
  const start = Number(/^bytes=(\d+)-$/.exec(asked[1] ?? '')?.[1]);
  assert.ok(start > 0 && start <= CUT, asked[1]);
});

test('streamFlist() skips what it has when the server begins anew', async (t) => {
  const { client, asked } = await breakingServer(t, { tags: ['"one"'], ranges: false });
  assert.ok(FLIST.equals(await read(client)));
  assert.equal(asked.length, 2);
});

test('streamFlist() does not go on with another flist', async (t) => {
  const { client } = await breakingServer(t, { tags: ['"one"', '"two"'] });
  await assert.rejects(
    read(client),
    (error) => isG8Error(error, 'ERR_PROTOCOL') && /was changed while/.test(error.message),
  );
});

test('streamFlist() does not go on when the server cannot tell whether it is the same', async (t) => {
  const { client, asked } = await breakingServer(t, { tags: ['W/"weak"'] });
  await assert.rejects(read(client), (error) => isG8Error(error) && error.retryable);
  assert.equal(asked.length, 1);
});

test('streamFlist() may be left early, and says what does not exist', async (t) => {
  const { url } = await startServer(t, (request, response) => {
    if (request.url === '/absent') response.writeHead(404).end();
    else response.writeHead(200, { etag: '"one"' }).write(FLIST);
  });
  const client = new HttpClient(url);
  t.after(() => client.close());
  for await (const piece of streamFlist(client, '/endless')) {
    assert.ok(FLIST.subarray(0, piece.length).equals(piece));
    break;
  }
  await assert.rejects(
    async () => {
      for await (const piece of streamFlist(client, '/absent')) assert.fail(`${piece.length}`);
    },
    (error) => isG8Error(error, 'ERR_NO_INPUT'),
  );
});
