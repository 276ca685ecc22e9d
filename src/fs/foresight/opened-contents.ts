/** Tells who has foretold contents when they are opened. Of one daemon. */
import { toHex } from '../../base/bytes.ts';

const DIGEST_SIZE = 32;

export class OpenedContents {
  readonly #listeners = new Set<(key: string) => void>();

  /** @returns what takes the listener away again */
  listen(onOpen: (key: string) => void): () => void {
    this.#listeners.add(onOpen);
    return () => void this.#listeners.delete(onOpen);
  }

  /** @param digests of contents that were opened, concatenated */
  opened(digests: Uint8Array): void {
    if (this.#listeners.size === 0) return;
    for (let at = 0; at + DIGEST_SIZE <= digests.length; at += DIGEST_SIZE) {
      const key = toHex(digests.subarray(at, at + DIGEST_SIZE));
      for (const listener of this.#listeners) listener(key);
    }
  }
}
