/**
 * Tokens of the historical hub: URL-safe base64 of an Ed25519 signature and `["<user>", <unix seconds>]`. They
 * have no end of their own; a hub that takes them may give them an age. Pure.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

const SEED_SIZE = 32;
const SIGNATURE_SIZE = 64;
/** Of the text; a user's name has 255 bytes at most. */
const TEXT_SIZE_MAX = 1024;
// RFC 8410: what stands before the seed of an Ed25519 key in PKCS #8.
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
/** Clocks of hubs that signed it may be ahead of ours. */
const AHEAD_MS = 5 * 60_000;

export class SignedTokens {
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #ageMsMax: number;

  /**
   * @param seed 32 bytes
   * @param ageMsMax older tokens are refused; default: none is too old
   * @throws RangeError for a seed of another size
   */
  constructor(seed: Uint8Array, ageMsMax = Number.POSITIVE_INFINITY) {
    if (seed.length !== SEED_SIZE) throw new RangeError(`A seed has ${SEED_SIZE} bytes`);
    const key = Buffer.concat([PKCS8_HEAD, seed]);
    this.#private = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
    this.#public = createPublicKey(this.#private);
    this.#ageMsMax = ageMsMax;
  }

  make(user: string, now = Date.now()): string {
    // As Python writes it, with a space.
    const payload = Buffer.from(`[${JSON.stringify(user)}, ${Math.floor(now / 1000)}]`, 'utf8');
    const text = Buffer.concat([sign(null, payload, this.#private), payload]).toString('base64');
    return text.replaceAll('+', '-').replaceAll('/', '_');
  }

  /** Its user; `forged` when it is no token of this key, `old` above the age. */
  check(text: string, now = Date.now()): { user: string } | 'forged' | 'old' {
    if (text.length > TEXT_SIZE_MAX || !/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return 'forged';
    const bytes = Buffer.from(text, 'base64url');
    const payload = bytes.subarray(SIGNATURE_SIZE);
    const signature = bytes.subarray(0, SIGNATURE_SIZE);
    if (payload.length === 0 || !verify(null, payload, this.#public, signature)) return 'forged';
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8'));
    } catch {
      return 'forged';
    }
    const [user, seconds] = Array.isArray(value) ? value : [];
    if (typeof user !== 'string' || typeof seconds !== 'number') return 'forged';
    const ageMs = now - seconds * 1000;
    if (Number.isFinite(this.#ageMsMax) && !(ageMs <= this.#ageMsMax && ageMs >= -AHEAD_MS)) {
      return 'old';
    }
    return { user };
  }
}
