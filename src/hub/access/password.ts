/** Passwords at rest: scrypt, with its parameters beside the hash. */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Limiter } from '../../base/limit.ts';

const derive = promisify(scrypt) as (
  password: string,
  salt: Buffer,
  size: number,
  options: ScryptOptions,
) => Promise<Buffer>;

/** OWASP's choice for interactive logins at 32 MiB. */
const COST = { N: 2 ** 15, r: 8, p: 3 } as const;
const SALT_SIZE = 16;
const HASH_SIZE = 32;
/** Memory of one derivation is 128 * N * r bytes; OpenSSL counts a little more. */
const MEMORY_MAX = 128 * 2 ** 16 * 8;
const PATTERN = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([0-9a-f]{32})\$([0-9a-f]{64})$/;

/** Derivations at a time: each takes 32 MiB and a thread of libuv's four. */
const limiter = new Limiter({ shares: [2], queueCountMax: 64 });

/** Bytes of a password; longer ones would only cost time. */
const PASSWORD_SIZE_MAX = 200;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_SIZE);
  const hash = await limiter.run(
    () => derive(password, salt, HASH_SIZE, { ...COST, maxmem: MEMORY_MAX }),
    { priority: 0 },
  );
  const cost = `${Math.log2(COST.N)}$${COST.r}$${COST.p}`;
  return `scrypt$${cost}$${salt.toString('hex')}$${hash.toString('hex')}`;
}

/** Takes as long for a user who is not there or has no password (`stored` undefined): false. */
export async function passwordMatches(
  stored: string | undefined,
  password: string,
): Promise<boolean> {
  if (Buffer.byteLength(password) > PASSWORD_SIZE_MAX) return false;
  const match = PATTERN.exec(stored ?? '');
  const [, log2N, r, p, salt, hash] = match ?? ABSENT;
  const options = { N: 2 ** Number(log2N), r: Number(r), p: Number(p), maxmem: MEMORY_MAX };
  const derived = await limiter.run(
    () => derive(password, Buffer.from(salt as string, 'hex'), HASH_SIZE, options),
    { priority: 0 },
  );
  return timingSafeEqual(derived, Buffer.from(hash as string, 'hex')) && match !== null;
}

const ABSENT = ['', Math.log2(COST.N), COST.r, COST.p, '00'.repeat(16), '00'.repeat(32)] as const;
