/**
 * Packed parts of a flist: of a file on disk, or behind a URL, of which only those are fetched that are asked
 * for. Fetched parts stay in a temporary file. For one reader at a time.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { G8Error } from '../base/errors.ts';
import { retry } from '../base/retry.ts';
import { PARTS_TAIL_SIZE, type PartsTable, readPartsTable } from '../format/flist/parts.ts';
import { type HttpResponse, readBody } from '../store/http-answer.ts';
import { HttpClient } from '../store/http-client.ts';
import { flistLogin } from '../store/logins.ts';
import { TRANSFER_RETRY } from '../store/retry.ts';
import type { PackedParts } from './parts-source.ts';

/** Parts fetched at once when those before them were asked for too. */
const RUN_MAX = 64;

export interface OpenParts extends PackedParts {
  /** Bytes of the package. */
  readonly flistSize: number;
  /** Makes a part available. */
  fetch(part: number): Promise<void>;
  close(): Promise<void>;
}

/** @returns `undefined` when the file has no parts */
export function openPartsFile(path: string): OpenParts | undefined {
  const fd = openSync(path, 'r');
  const close = async (): Promise<void> => closeSync(fd);
  try {
    const info = fstatSync(fd);
    let table: PartsTable | number | undefined = PARTS_TAIL_SIZE;
    if (!info.isFile()) table = undefined;
    for (let tries = 0; typeof table === 'number' && tries < 2; tries++) {
      const length = Math.min(table, info.size);
      table = readPartsTable(readAt(fd, info.size - length, length), info.size);
    }
    if (table === undefined || typeof table === 'number') {
      closeSync(fd);
      return undefined;
    }
    const { offsets } = table;
    const read = (part: number): Uint8Array => {
      const offset = offsets[part] as number;
      return readAt(fd, offset, (offsets[part + 1] as number) - offset);
    };
    return { table, flistSize: info.size, read, fetch: async () => {}, close };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * @param dir for what is fetched
 * @returns `undefined` when the flist has no parts, or the server cannot give them alone
 */
export async function openPartsUrl(
  url: string,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<OpenParts | undefined> {
  const remote = new RemoteParts(url, signal);
  try {
    if (await remote.open(join(dir, 'parts'))) return remote;
  } catch (error) {
    await remote.close();
    throw error;
  }
  await remote.close();
  return undefined;
}

class RemoteParts implements OpenParts {
  flistSize = 0;
  table: PartsTable = { partSize: 0, size: 0, offsets: new Float64Array(1) };
  readonly #client: HttpClient;
  readonly #signal: AbortSignal | undefined;
  #etag = '';
  #present = new Uint8Array(0);
  #fd: number | undefined;
  #run = 1;
  #next = -1;

  constructor(url: string, signal: AbortSignal | undefined) {
    this.#client = new HttpClient(url, { login: flistLogin(url) });
    this.#signal = signal;
  }

  async open(path: string): Promise<boolean> {
    let table: PartsTable | number | undefined = PARTS_TAIL_SIZE;
    for (let tries = 0; typeof table === 'number' && tries < 2; tries++) {
      const tail = await this.#get(`-${table}`, table);
      if (tail === undefined) return false;
      table = readPartsTable(tail, this.flistSize);
    }
    if (table === undefined || typeof table === 'number') return false;
    this.table = table;
    this.#present = new Uint8Array(table.offsets.length - 1);
    this.#fd = openSync(path, 'wx+', 0o600);
    return true;
  }

  read(part: number): Uint8Array | undefined {
    if (this.#present[part] !== 1) return undefined;
    const { offsets } = this.table;
    const offset = offsets[part] as number;
    return readAt(this.#fd as number, offset, (offsets[part + 1] as number) - offset);
  }

  async fetch(part: number): Promise<void> {
    const { offsets } = this.table;
    // Whoever reads on will want more: a longer run each time.
    this.#run = part === this.#next ? Math.min(RUN_MAX, this.#run * 2) : 1;
    let end = part + 1;
    while (end < this.#present.length && end < part + this.#run && this.#present[end] === 0) end++;
    this.#next = end;
    const [start, stop] = [offsets[part] as number, offsets[end] as number];
    const bytes = await this.#get(`${start}-${stop - 1}`, stop - start);
    if (bytes?.length !== stop - start) throw this.#changed();
    writeSync(this.#fd as number, bytes, 0, bytes.length, start);
    this.#present.fill(1, part, end);
  }

  async close(): Promise<void> {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    await this.#client.close();
  }

  /** Bytes of a range; `undefined` when the server cannot say that they are those of one file. */
  #get(range: string, sizeMax: number): Promise<Uint8Array | undefined> {
    const what = `Flist ${this.#client.name}`;
    const headers = {
      range: `bytes=${range}`,
      ...(this.#etag !== '' && { 'if-range': this.#etag }),
    };
    const absent = () => new G8Error('ERR_NO_INPUT', `${what} does not exist`);
    const options = { policy: TRANSFER_RETRY, signal: this.#signal, what };
    return retry(options, (signal) =>
      this.#client.request({ method: 'GET', path: '', headers, absent, signal }, (response) =>
        this.#isRange(response) ? readBody(response, sizeMax, what) : undefined,
      ),
    );
  }

  #isRange(response: HttpResponse): boolean {
    const total = /^bytes \d+-\d+\/(\d{1,15})$/.exec(response.header('content-range') ?? '')?.[1];
    const etag = response.header('etag') ?? '';
    const isRange = response.status === 206 && total !== undefined && etag.startsWith('"');
    if (this.#etag === '') {
      if (!isRange) return false;
      this.#etag = etag;
      this.flistSize = Number(total);
      return true;
    }
    if (isRange && etag === this.#etag && Number(total) === this.flistSize) return true;
    throw this.#changed();
  }

  #changed(): G8Error {
    return new G8Error('ERR_PROTOCOL', `Flist ${this.#client.name} was changed while it was read`);
  }
}

function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, length - done, offset + done);
    if (count === 0) throw new G8Error('ERR_IO', 'The flist is shorter than it was');
    done += count;
  }
  return bytes;
}
