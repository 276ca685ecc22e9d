/** A token server as registries send their clients to: gives signed tokens to those who know the password. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { bodyOf, startServer, type TestServer } from '../http-server.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { PASSWORD, type TokenAuth, USER } from './registry.ts';

const SERVICE = 'test-registry';
const ISSUER = 'test-issuer';
/** What the server takes instead of a password. */
export const IDENTITY_TOKEN = 'identity-of-tester';

export interface TokenServer extends TestServer {
  readonly auth: TokenAuth;
}

/** @param isPublic gives tokens for reading to everybody */
export async function startTokenServer(t: TestContext, isPublic = false): Promise<TokenServer> {
  const work = temporaryDirectory(t);
  const [key, certificate] = [join(work, 'key.pem'), join(work, 'certificate.pem')];
  const subject = ['-subj', `/CN=${ISSUER}`, '-days', '2'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'ignore' });
  const signer = createPrivateKey(readFileSync(key));
  const chain = [new X509Certificate(readFileSync(certificate)).raw.toString('base64')];

  const tokenFor = (scope: string, mayPush: boolean): string => {
    const [type = '', name = '', actions = ''] = scope.split(':');
    const granted = actions.split(',').filter((action) => mayPush || action === 'pull');
    const seconds = Math.floor(Date.now() / 1000);
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = {
      iss: ISSUER,
      sub: USER,
      aud: SERVICE,
      iat: seconds,
      nbf: seconds - 60,
      exp: seconds + 600,
      jti: randomUUID(),
      access: scope === '' ? [] : [{ type, name, actions: granted }],
    };
    const text = `${part({ typ: 'JWT', alg: 'ES256', x5c: chain })}.${part(claims)}`;
    const options = { key: signer, dsaEncoding: 'ieee-p1363' } as const;
    return `${text}.${sign('sha256', Buffer.from(text), options).toString('base64url')}`;
  };

  const basic = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
  const server = await startServer(t, async (request, response) => {
    const url = new URL(request.url ?? '', 'http://token');
    const form = new URLSearchParams((await bodyOf(request)).toString());
    const isPost = request.method === 'POST';
    const fields = isPost ? form : url.searchParams;
    const isKnown = isPost
      ? form.get('refresh_token') === IDENTITY_TOKEN
      : request.headers.authorization === basic;
    if ((!isKnown && !isPublic) || fields.get('service') !== SERVICE) {
      response.writeHead(401).end('{"details":"incorrect username or password"}');
      return;
    }
    const token = tokenFor(fields.get('scope') ?? '', isKnown);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(isPost ? { access_token: token } : { token }));
  });
  const auth = { realm: `${server.url}/token`, service: SERVICE, issuer: ISSUER, certificate };
  return { ...server, auth };
}
