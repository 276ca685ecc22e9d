/**
 * Digests of blobs, `sha256:…` and `sha512:…`, and streams that are checked against them. Pure: bytes in,
 * bytes out.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { G8Error } from '../../base/errors.ts';
import { malformedImage, showText } from './malformed.ts';

/** The algorithms that the image specification registers, with their hex digits. */
const HEX_SIZES: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** `algorithm:hex`, checked by {@link isDigest}. */
export type Digest = string;

export function isDigest(text: string): text is Digest {
  const match = /^([a-z0-9]+):([0-9a-f]+)$/.exec(text);
  return match?.[2] !== undefined && HEX_SIZES[match[1] ?? ''] === match[2].length;
}

export const digestSchema = z
  .string()
  .max(256)
  .refine(isDigest, { error: 'no sha256 or sha512 digest' });

export function splitDigest(digest: Digest): { readonly algorithm: string; readonly hex: string } {
  const colon = digest.indexOf(':');
  return { algorithm: digest.slice(0, colon), hex: digest.slice(colon + 1) };
}

/** As people see it: the algorithm with twelve digits. */
export function shortDigest(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest);
  return `${algorithm}:${hex.slice(0, 12)}`;
}

export function digestOf(bytes: Uint8Array, algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** Adds up the digest of a stream. */
export class Digester {
  readonly #algorithm: string;
  readonly #state;
  size = 0;

  constructor(algorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#state = createHash(algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#state.update(bytes);
    this.size += bytes.length;
  }

  /** Ends it. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#state.digest('hex')}`;
  }
}

/** What a blob must be. */
export interface ExpectedBlob {
  readonly digest: Digest;
  /** Bytes; not checked when it is not known. */
  readonly size?: number | undefined;
  /** Subject of messages. */
  readonly what: string;
}

/** @throws ERR_FLIST_FORMAT */
export function checkBlob(bytes: Uint8Array, { digest, size, what }: ExpectedBlob): void {
  if (size !== undefined && bytes.length !== size) throw wrongSize(what, bytes.length, size);
  if (digestOf(bytes, splitDigest(digest).algorithm) !== digest) throw wrongDigest(what, digest);
}

/**
 * Passes a blob on and throws at its end, or as soon as it is too long, when it is not what it should be.
 * Whoever reads it uses nothing of it before the end has come.
 *
 * @throws ERR_FLIST_FORMAT
 */
export async function* verifiedBlob(
  source: AsyncIterable<Uint8Array>,
  { digest, size, what }: ExpectedBlob,
): AsyncGenerator<Uint8Array, void, void> {
  const digester = new Digester(splitDigest(digest).algorithm);
  for await (const piece of source) {
    digester.update(piece);
    if (size !== undefined && digester.size > size) throw wrongSize(what, 'more', size);
    yield piece;
  }
  if (size !== undefined && digester.size !== size) throw wrongSize(what, digester.size, size);
  if (digester.digest() !== digest) throw wrongDigest(what, digest);
}

export function wrongSize(what: string, actual: number | 'more', size: number): G8Error {
  const bytes = actual === 'more' ? 'more bytes' : `${actual} bytes`;
  return malformedImage(`${what} has ${bytes}, its descriptor says ${size}`);
}

export function wrongDigest(what: string, digest: Digest): G8Error {
  return malformedImage(`${what} does not match its digest ${showText(digest)}`);
}
