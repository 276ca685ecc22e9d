/** Requests as clients of the historical hub send them (zflist 2.3.0), over real sockets. */
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { HubOptions } from '../../src/hub/options.ts';
import { createHub, type Hub } from '../../src/hub/server.ts';
import { addon } from '../../src/native/load.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  json<T = Record<string, unknown>>(): T;
}

export interface FormPart {
  readonly name: string;
  readonly value: string | Uint8Array;
  readonly fileName?: string;
}

const BOUNDARY = 'boundary-of-a-form';

/** A form as libcurl writes it. */
export function multipart(parts: readonly FormPart[]): { type: string; body: Buffer } {
  const pieces = parts.flatMap(({ name, value, fileName }) => [
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${
        fileName === undefined
          ? ''
          : `; filename="${fileName}"\r\nContent-Type: application/octet-stream`
      }\r\n\r\n`,
    ),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]);
  return {
    type: `multipart/form-data; boundary=${BOUNDARY}`,
    body: Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]),
  };
}

export class OldClient {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = new URL(url);
    this.#headers = { 'user-agent': 'zflist/2.3.0', ...headers };
  }

  with(headers: Readonly<Record<string, string>>): OldClient {
    return new OldClient(this.#url.href, { ...this.#headers, ...headers });
  }

  async get(path: string): Promise<Answer> {
    return await this.send('GET', path);
  }

  async delete(path: string): Promise<Answer> {
    return await this.send('DELETE', path);
  }

  async post(path: string, body?: Uint8Array | string, type?: string): Promise<Answer> {
    return await this.send('POST', path, body, type);
  }

  /** Sends a file in the field `file`, and further fields. */
  async upload(
    path: string,
    fileName: string,
    bytes: Uint8Array,
    options: { originalName?: string; fields?: Readonly<Record<string, string>> } = {},
  ): Promise<Answer> {
    const { originalName, fields = {} } = options;
    const parts = Object.entries(fields).map(([name, value]) => ({ name, value }));
    const { type, body } = multipart([...parts, { name: 'file', value: bytes, fileName }]);
    const client =
      originalName === undefined ? this : this.with({ 'x-original-name': originalName });
    return await client.post(path, body, type);
  }

  /** The path is sent as it is. */
  async send(
    method: string,
    path: string,
    body?: Uint8Array | string,
    type?: string,
  ): Promise<Answer> {
    const { hostname, port } = this.#url;
    const headers = {
      ...this.#headers,
      ...(type !== undefined && { 'content-type': type }),
      ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
    };
    return await new Promise((resolve, reject) => {
      const options = { hostname, port, method, path, headers, agent: false };
      const request = httpRequest(options, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(pieces)));
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  /** A request of a method that Node does not know, whose head comes in two pieces. */
  async info(path: string, keptAlive = ''): Promise<Answer> {
    const { hostname, port } = this.#url;
    const lines = Object.entries(this.#headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `INFO ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${lines.join('')}\r\n`;
    const raw = await new Promise<Buffer>((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      const pieces: Buffer[] = [];
      socket.setTimeout(10_000, () => socket.destroy(new Error('No answer to INFO')));
      socket.on('error', reject);
      socket.on('data', (piece: Buffer) => {
        pieces.push(piece);
        // The answer to the request before: now the one that matters.
        if (keptAlive !== '' && pieces.length === 1) socket.write(head);
      });
      socket.on('end', () => resolve(Buffer.concat(pieces.slice(keptAlive === '' ? 0 : 1))));
      if (keptAlive !== '') {
        socket.write(`GET ${keptAlive} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
      } else {
        socket.write(head.slice(0, 20));
        setTimeout(() => socket.write(head.slice(20)), 30);
      }
    });
    const end = raw.indexOf('\r\n\r\n');
    const [status = '', ...names] = raw.subarray(0, end).toString().split('\r\n');
    const headers = Object.fromEntries(names.map((line) => line.split(': ') as [string, string]));
    return answerOf(Number(status.split(' ')[1]), headers, raw.subarray(end + 4));
  }
}

function answerOf(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const text = body.toString();
  return { status, headers, body, text, json: <T>() => JSON.parse(text) as T };
}

/** Checks for `{"status": "error", "message"}` and what every answer has. */
export function assertFailure(answer: Answer, status: number, message: string): void {
  assert.deepEqual(
    [answer.status, answer.text],
    [status, `${JSON.stringify({ status: 'error', message })}\n`],
  );
  assert.equal(answer.headers['access-control-allow-origin'], '*');
}

/** Checks for `{"status": "success"}` without a payload. */
export function assertDone(answer: Answer): void {
  assert.deepEqual([answer.status, answer.text], [200, '{"status":"success"}\n']);
}

export interface OldHub {
  readonly hub: Hub;
  readonly dataDir: string;
  /** Without credentials. */
  readonly client: OldClient;
}

export async function startOldHub(
  t: Pick<TestContext, 'after'>,
  options: Partial<HubOptions> = {},
): Promise<OldHub> {
  const dataDir = options.dataDir ?? temporaryDirectory(t as TestContext);
  const settings = { logger: false, fsync: false, addon: addon(), ...options, dataDir } as const;
  const hub = await createHub(settings);
  t.after(() => hub.close());
  return { hub, dataDir, client: new OldClient(hub.url) };
}
