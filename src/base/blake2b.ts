/**
 * BLAKE2b for short strings and for streams in pure code. Chunks and whole files are digested by
 * the addon, off the JS thread.
 */
import { createRequire } from 'node:module';

interface Hash {
  update(data: Uint8Array): Hash;
  digest(): Uint8Array;
}
type Blake2b = ((length: number) => Hash) & { ready(callback: (error?: Error) => void): void };

const require = createRequire(import.meta.url);
// The package swaps its exports for the WebAssembly build once that is ready, which is ten times
// faster: wait, then ask again.
await new Promise<void>((resolve) => (require('blake2b') as Blake2b).ready(() => resolve()));
const create = require('blake2b') as Blake2b;

/** Digest of `data`; `length` is 16 to 64 bytes. */
export function blake2b(data: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(create(length).update(data).digest());
}

/** Streaming digest with 32 bytes of output. Use each object once. */
export function blake2b256Stream(): { update(data: Uint8Array): void; digest(): Uint8Array } {
  const hash = create(32);
  return {
    update: (data) => {
      if (data.length > 0) hash.update(data);
    },
    digest: () => new Uint8Array(hash.digest()),
  };
}
