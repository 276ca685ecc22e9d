/**
 * BLAKE2b for short strings and for streams in pure code. Chunks and whole files are digested by
 * the addon, off the JS thread.
 */
import { createRequire } from 'node:module';

interface Hash {
  update(data: Uint8Array): Hash;
  digest(): Uint8Array;
}
type Blake2b = ((
  length: number,
  key: null,
  salt: null,
  personal: null,
  unchecked: true,
) => Hash) & {
  ready(callback: (error?: Error) => void): void;
};

const require = createRequire(import.meta.url);

let implementation: Blake2b | undefined;
let loading: Promise<void> | undefined;

/**
 * Waits for the WebAssembly build, which is ten times faster than what serves until then. For those who
 * are about to digest much without giving up the thread; loading it takes 20 ms, which a mount that
 * digests nothing should not pay.
 */
export function blake2bReady(): Promise<void> {
  loading ??= new Promise((resolve) => {
    // The package swaps its exports when it is ready: ask again then.
    (require('blake2b') as Blake2b).ready(() => {
      implementation = require('blake2b') as Blake2b;
      resolve();
    });
  });
  return loading;
}

function create(length: number): Hash {
  void blake2bReady();
  implementation ??= require('blake2b') as Blake2b;
  // The package's own check refuses the short digests that some keys are.
  return implementation(length, null, null, null, true);
}

/** Digest of `data`; `length` is 1 to 64 bytes. */
export function blake2b(data: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(create(length).update(data).digest());
}

/**
 * Streaming digest with 32 bytes of output. Use each object once. For files {@link blake2bReady} comes first: an object
 * stays with the implementation that it was made of, and pure code takes 0.1 s for a MiB.
 */
export function blake2b256Stream(): { update(data: Uint8Array): void; digest(): Uint8Array } {
  const hash = create(32);
  return {
    update: (data) => {
      if (data.length > 0) hash.update(data);
    },
    digest: () => new Uint8Array(hash.digest()),
  };
}
