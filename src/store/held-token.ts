/**
 * The token that a client sends: looked for at its first request, and again when it was refused. Somebody may have
 * logged in again meanwhile, as a mount outlives its token. One that is wrong is not sent all the time: hubs take that
 * for guessing, and lock out the whole address.
 *
 * Concurrency: for one event loop; calls at the same time share one look.
 */
import type { FindToken } from './logins.ts';

/** A wrong token is looked up, and tried, this often: 12 times a minute. */
const RENEWAL_MS_MIN = 5_000;

export class HeldToken {
  readonly #find: FindToken;
  readonly #now: () => number;
  #found: Promise<string | undefined> | undefined;
  /** The token that was wrong. */
  #wrong: string | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(find: FindToken, now: () => number = () => performance.now()) {
    this.#find = find;
    this.#now = now;
  }

  /** Whether there is a token that is held back because it was wrong a moment ago. */
  get isWrong(): boolean {
    return this.#wrong !== undefined;
  }

  /**
   * @returns `undefined` without a token, and for one that {@link isWrong}
   * @throws what the look-up does; the next call looks again
   */
  async get(): Promise<string | undefined> {
    this.#found ??= this.#look();
    const look = this.#found;
    const token = await look;
    // Looked up anew meanwhile.
    if (look !== this.#found) return await this.get();
    if (token === undefined || token !== this.#wrong) return token;
    if (!this.#startRenewal()) return undefined;
    // The same one may be good again, too.
    this.#wrong = undefined;
    return await this.#found;
  }

  /**
   * After a refusal.
   *
   * @param isWrong the token itself is not good, wherever it is sent
   * @returns a token other than the one that was refused; `undefined` when there is none
   */
  async renew(refused: string, isWrong: boolean): Promise<string | undefined> {
    // Another request may have found a better one already.
    const present = await this.#found;
    if (present !== refused) return present;
    this.#startRenewal();
    const found = await this.#found;
    if (found !== refused) return found;
    if (isWrong) this.#wrong = refused;
    return undefined;
  }

  /** @returns whether it is time for that */
  #startRenewal(): boolean {
    if (this.#now() - this.#renewedAt < RENEWAL_MS_MIN) return false;
    this.#renewedAt = this.#now();
    this.#found = this.#look();
    return true;
  }

  #look(): Promise<string | undefined> {
    const look = this.#find().catch((error: unknown) => {
      if (this.#found === look) this.#found = undefined;
      throw error;
    });
    return look;
  }
}
