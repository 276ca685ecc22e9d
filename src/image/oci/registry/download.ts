/**
 * Manifests and blobs of a registry. A blob is written to a file while it comes, goes on where it was cut
 * off, and is checked against its digest before anybody sees it.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { G8Error, toG8Error } from '../../../base/errors.ts';
import { plural } from '../../../base/plural.ts';
import {
  type Digest,
  Digester,
  splitDigest,
  wrongDigest,
  wrongSize,
} from '../../../format/oci/digest.ts';
import { DOCUMENT_SIZE_MAX } from '../../../format/oci/json.ts';
import { MANIFEST_TYPES } from '../../../format/oci/media-type.ts';
import { type HttpResponse, readBody } from '../../../store/http-answer.ts';
import type { RegistryClient } from './registry-client.ts';

/** One layer may be tens of gigabytes over a slow line; idle deadlines watch over progress. */
const BLOB_TIMEOUT_MS = 3_600_000;

export interface FetchedManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string | undefined;
}

/**
 * Fetches a manifest or index by tag or digest. Not verified: a tag has no digest to verify it against.
 *
 * @throws ERR_NO_INPUT when it does not exist
 */
export async function fetchManifest(
  client: RegistryClient,
  version: string,
  what: string,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const headers = { accept: MANIFEST_TYPES.join(', ') };
  const path = `/manifests/${version}`;
  return await client.request({ method: 'GET', path, headers, what, signal }, async (response) => ({
    bytes: await readBody(response, DOCUMENT_SIZE_MAX, what),
    mediaType: response.header('content-type')?.split(';')[0]?.trim().toLowerCase(),
  }));
}

export interface BlobRequest {
  readonly digest: Digest;
  readonly size: number;
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes as they come; negative when some have to come again. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * Downloads a blob to a new file.
 *
 * @throws ERR_FLIST_FORMAT when it is not what its descriptor says, ERR_NO_INPUT, ERR_CREATE
 */
export async function downloadBlob(
  client: RegistryClient,
  path: string,
  blob: BlobRequest,
): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error) => {
    throw toG8Error(error, 'ERR_CREATE', `${path} cannot be written`);
  });
  const download = new Download(file, blob);
  try {
    const { digest, what, signal } = blob;
    await client.request(
      {
        method: 'GET',
        path: `/blobs/${digest}`,
        // Read at each attempt.
        get headers() {
          return download.headers();
        },
        what,
        signal,
        timeoutMs: BLOB_TIMEOUT_MS,
        accept: [416],
      },
      (response) => download.take(response),
    );
    download.check();
  } finally {
    await file.close();
  }
}

class Download {
  readonly #file: FileHandle;
  readonly #blob: BlobRequest;
  #digester: Digester;

  constructor(file: FileHandle, blob: BlobRequest) {
    this.#file = file;
    this.#blob = blob;
    this.#digester = this.#startDigest();
  }

  headers(): Record<string, string> {
    const { size } = this.#digester;
    // What failed behind the last byte comes again as a whole: nothing follows to be asked for.
    return size === 0 || size === this.#blob.size ? {} : { range: `bytes=${size}-` };
  }

  async take(response: HttpResponse): Promise<void> {
    const { size, what } = this.#blob;
    // Nothing lies behind what has come: it was all there is.
    if (response.status === 416) throw wrongSize(what, this.#digester.size, size);
    this.#begin(response);
    for await (const piece of response.body) {
      if (this.#digester.size + piece.length > size) {
        throw wrongSize(what, 'more', size);
      }
      await this.#write(piece);
      this.#digester.update(piece);
      this.#blob.onBytes?.(piece.length);
    }
    const missing = size - this.#digester.size;
    if (missing > 0) {
      throw new G8Error('ERR_STORE_UNAVAILABLE', `${what} ended ${plural(missing, 'byte')} early`);
    }
  }

  check(): void {
    const { digest, what } = this.#blob;
    if (this.#digester.digest() !== digest) throw wrongDigest(what, digest);
  }

  /** Decides where the response's bytes belong. */
  #begin(response: HttpResponse): void {
    const { what, onBytes } = this.#blob;
    const encoding = response.header('content-encoding') ?? 'identity';
    if (encoding !== 'identity') {
      throw new G8Error('ERR_PROTOCOL', `${what} came with a content encoding`);
    }
    const at = this.#digester.size;
    if (at === 0) return;
    const start = /^bytes (\d{1,16})-/.exec(response.header('content-range') ?? '')?.[1];
    if (response.status === 206 && Number(start) === at) return;
    if (response.status === 206) {
      throw new G8Error('ERR_PROTOCOL', `${what} came with another range than was asked for`);
    }
    // A server without ranges begins again, and so does the file.
    onBytes?.(-at);
    this.#digester = this.#startDigest();
  }

  async #write(piece: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < piece.length) {
        const position = this.#digester.size + done;
        const { bytesWritten } = await this.#file.write(piece, done, piece.length - done, position);
        done += bytesWritten;
      }
    } catch (error) {
      throw toG8Error(error, 'ERR_CREATE', `${this.#blob.what} cannot be written`);
    }
  }

  #startDigest(): Digester {
    return new Digester(splitDigest(this.#blob.digest).algorithm);
  }
}
