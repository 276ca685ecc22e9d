/** Tokens as text: `g8_<id>_<secret>`, of which the hub keeps the id and a hash of the secret. Pure. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_SIZE = 8;
const SECRET_SIZE = 32;
// No dot: old clients' credentials with a dot are JWTs.
const PATTERN = /^g8_([0-9a-f]{16})_([0-9a-f]{64})$/;

export interface TokenText {
  readonly id: string;
  readonly secret: string;
}

export function makeToken(): TokenText & { readonly text: string } {
  const id = randomBytes(ID_SIZE).toString('hex');
  const secret = randomBytes(SECRET_SIZE).toString('hex');
  return { id, secret, text: `g8_${id}_${secret}` };
}

export function parseToken(text: string): TokenText | undefined {
  const match = PATTERN.exec(text);
  return match === null ? undefined : { id: match[1] as string, secret: match[2] as string };
}

/** The secret has 256 random bits, so that one round of SHA-256 is as good as any. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret, 'latin1').digest('hex');
}

export function secretMatches(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(secret), 'hex'), Buffer.from(hash, 'hex'));
}
