/**
 * Sessions: JWTs (HS256) that the hub gives for a password. The secret is random, made once for a catalogue and
 * kept there, so that all hubs over it know each other's.
 */
import { randomBytes } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { SCOPES, type Scope, SETTING } from '../catalogue/records.ts';

const SECRET_SIZE = 32;
const claims = z.object({
  username: z.string().min(1).max(255),
  scope: z.enum(SCOPES),
  /** When it was made, in milliseconds: `iat` counts seconds. */
  made: z.number(),
});

export class Sessions {
  readonly #secret: Uint8Array;
  readonly #hours: number;

  private constructor(secret: Uint8Array, hours: number) {
    this.#secret = secret;
    this.#hours = hours;
  }

  /** @param hours how long a session is good for */
  static async open(catalogue: Catalogue, hours: number): Promise<Sessions> {
    const secret = await catalogue.transaction(async (transaction) => {
      const present = await transaction.get(SETTING, 'jwt');
      if (present !== undefined) return present.value;
      const value = randomBytes(SECRET_SIZE).toString('hex');
      transaction.put(SETTING, ['jwt'], { value });
      return value;
    });
    return new Sessions(Buffer.from(secret, 'hex'), hours);
  }

  async make(user: string, scope: Scope): Promise<string> {
    return await new SignJWT({ username: user, scope, made: Date.now() })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime(`${this.#hours}h`)
      .sign(this.#secret);
  }

  /** What a session says; `undefined` when it is forged, changed, or over. `made` in milliseconds. */
  async check(text: string): Promise<{ user: string; scope: Scope; made: number } | undefined> {
    try {
      const { payload } = await jwtVerify(text, this.#secret, {
        algorithms: ['HS256'],
        requiredClaims: ['exp'],
      });
      const parsed = claims.safeParse(payload);
      if (!parsed.success) return undefined;
      const { username, scope, made } = parsed.data;
      return { user: username, scope, made };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }
}
