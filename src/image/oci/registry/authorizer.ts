/**
 * Answers a registry's challenges: with a name and password, or with a token that another server gives for
 * them. Keeps the last answer; calls that are refused at the same time share one new answer.
 *
 * @see the distribution project's token and OAuth2 authentication
 */
import { z } from 'zod';
import { G8Error } from '../../../base/errors.ts';
import { showText } from '../../../format/oci/malformed.ts';
import type { Credentials } from '../../../store/credential-helper.ts';
import { readJson } from '../../../store/http-answer.ts';
import type { HttpClient } from '../../../store/http-client.ts';
import type { Challenge } from './challenge.ts';

const ANSWER_SIZE_MAX = 256 * 1024;
const CLIENT_ID = 'g8ufs';

const tokenSchema = z.object({
  token: z.string().max(ANSWER_SIZE_MAX).nullish(),
  access_token: z.string().max(ANSWER_SIZE_MAX).nullish(),
});

export interface AuthorizerOptions {
  /** Asked once, when the registry first wants to know. */
  readonly credentials: (signal: AbortSignal) => Promise<Credentials | undefined>;
  /** A client for a URL of another server. @throws when it may not be talked to */
  readonly clientOf: (url: URL) => HttpClient;
  /** What is going to be done: `repository:library/debian:pull`. */
  readonly scope: string;
  /** Subject of messages. */
  readonly what: string;
}

export class Authorizer {
  readonly #options: AuthorizerOptions;
  #credentials: Promise<Credentials | undefined> | undefined;
  #header: string | undefined;
  #answering: Promise<string> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Value of `Authorization` for the next request, if there is one yet. */
  get header(): string | undefined {
    return this.#header;
  }

  /**
   * Finds another answer after a request was refused.
   *
   * @param used the header that was refused
   * @throws ERR_PERMISSION when there is none
   */
  async answer(
    challenge: Challenge | undefined,
    used: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#header !== used) return;
    this.#answering ??= this.#find(challenge, signal).finally(() => {
      this.#answering = undefined;
    });
    const header = await this.#answering;
    // Name and password do not get better by being repeated.
    if (header === used) throw this.#refused('are refused');
    this.#header = header;
  }

  async #find(challenge: Challenge | undefined, signal: AbortSignal): Promise<string> {
    this.#credentials ??= this.#options.credentials(signal);
    const credentials = await this.#credentials;
    if (challenge?.scheme === 'bearer') {
      return `Bearer ${await this.#fetchToken(challenge, credentials, signal)}`;
    }
    if (challenge === undefined) {
      throw new G8Error('ERR_PROTOCOL', `${this.#options.what} asks for an unknown kind of login`);
    }
    if (credentials === undefined) throw this.#refused('are needed and none were found');
    if ('identityToken' in credentials) return `Bearer ${credentials.identityToken}`;
    return basic(credentials);
  }

  async #fetchToken(
    challenge: Challenge & { scheme: 'bearer' },
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const realm = URL.canParse(challenge.realm) ? new URL(challenge.realm) : undefined;
    if (realm === undefined) {
      const shown = showText(challenge.realm);
      throw new G8Error('ERR_PROTOCOL', `${this.#options.what} names ${shown} for its tokens`);
    }
    const fields = new URLSearchParams();
    if (challenge.service !== undefined) fields.set('service', challenge.service);
    fields.set('scope', challenge.scope ?? this.#options.scope);
    const answer = await this.#options
      .clientOf(realm)
      .request(
        { ...tokenRequest(realm, fields, credentials), signal, accept: [400, 401, 403] },
        async (response) => {
          if (response.status >= 400) {
            throw this.#refused(
              credentials === undefined ? 'are needed and none were found' : 'are refused',
            );
          }
          return await readJson(response, ANSWER_SIZE_MAX, `Token of ${this.#options.what}`);
        },
      );
    const parsed = tokenSchema.safeParse(answer);
    const token = parsed.success ? parsed.data.token || parsed.data.access_token : undefined;
    if (!token || /[^\x21-\x7e]/.test(token)) {
      throw new G8Error('ERR_PROTOCOL', `${this.#options.what} gave no usable token`);
    }
    return token;
  }

  #refused(how: string): G8Error {
    return new G8Error('ERR_PERMISSION', `Credentials for ${this.#options.what} ${how}`);
  }
}

function tokenRequest(realm: URL, fields: URLSearchParams, credentials: Credentials | undefined) {
  const path = `${realm.pathname}${realm.search}`;
  if (credentials !== undefined && 'identityToken' in credentials) {
    fields.set('grant_type', 'refresh_token');
    fields.set('client_id', CLIENT_ID);
    fields.set('refresh_token', credentials.identityToken);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', path, headers, body: fields.toString() } as const;
  }
  const headers: Record<string, string> =
    credentials === undefined ? {} : { authorization: basic(credentials) };
  const separator = realm.search === '' ? '?' : '&';
  return { method: 'GET', path: `${path}${separator}${fields}`, headers } as const;
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
