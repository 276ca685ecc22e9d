/**
 * The token that a client sends: looked for at its first request, and once more when it was refused. Somebody
 * may have logged in again meanwhile, as a mount outlives its token.
 *
 * Concurrency: for one event loop; calls at the same time share one look.
 */
import type { FindToken } from './logins.ts';

/** A token that is refused for good is not looked up again for each of the requests that it fails. */
const RENEWAL_MS_MIN = 5_000;

export class HeldToken {
  readonly #find: FindToken;
  readonly #now: () => number;
  #found: Promise<string | undefined> | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(find: FindToken, now: () => number = () => performance.now()) {
    this.#find = find;
    this.#now = now;
  }

  /** @throws what the look-up does; the next call looks again */
  async get(): Promise<string | undefined> {
    this.#found ??= this.#look();
    return await this.#found;
  }

  /** @returns a token other than the one that was refused; `undefined` when there is none */
  async renew(refused: string | undefined): Promise<string | undefined> {
    // Another request may have found a better one already.
    const present = await this.get();
    if (present !== refused) return present;
    if (this.#now() - this.#renewedAt >= RENEWAL_MS_MIN) {
      this.#renewedAt = this.#now();
      this.#found = this.#look();
    }
    const found = await this.get();
    return found === refused ? undefined : found;
  }

  #look(): Promise<string | undefined> {
    const look = this.#find().catch((error: unknown) => {
      if (this.#found === look) this.#found = undefined;
      throw error;
    });
    return look;
  }
}
