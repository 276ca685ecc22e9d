/**
 * Browsers' sessions: a session of the hub in a cookie. It counts for pages and downloads, never for paths below
 * `/api`, where every request brings its own credentials; and what it changes has to come from a page of this hub.
 */
import { parseCookie, stringifySetCookie } from 'cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';

const COOKIE = 'g8ufs_session';
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Takes the cookie of every request for a page as its credentials. */
export function addSessionHook(app: FastifyInstance, { access }: HubContext): void {
  app.addHook('onRequest', async (request, reply) => {
    if (/^\/(?:api|chunks)(?:$|[/?])/.test(request.url)) return;
    const { authorization, cookie, origin } = request.headers;
    const session = cookie === undefined ? undefined : parseCookie(cookie)[COOKIE];
    const isChange = !READING.has(request.method);
    // Whoever brings a token in a header is no page that somebody was lured to.
    if (
      isChange &&
      authorization === undefined &&
      (session !== undefined || origin !== undefined)
    ) {
      assertOwnPage(request);
    }
    if (session === undefined || authorization !== undefined) return;
    if (!(await access.adoptSession(request, session))) endSession(request, reply);
  });
}

/**
 * Whether a form was sent from a page of this hub.
 *
 * @throws Problem 403 when it was not, or the browser does not say
 */
export function assertOwnPage(request: FastifyRequest): void {
  const { origin, host } = request.headers;
  if (request.headers['sec-fetch-site'] === 'same-origin') return;
  // The scheme may be that of a proxy in front; the host is what the browser has asked for.
  const isOwn = origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;
  if (!isOwn) throw new Problem(403, 'This form was not sent from a page of this hub');
}

export function beginSession(request: FastifyRequest, reply: FastifyReply, session: string): void {
  reply.header('set-cookie', setCookie(request, session));
}

export function endSession(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('set-cookie', setCookie(request, ''));
}

function setCookie(request: FastifyRequest, value: string): string {
  return stringifySetCookie(COOKIE, value, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: request.protocol === 'https' || request.headers['x-forwarded-proto'] === 'https',
    // Without an age it ends with the browser; the session itself ends before that at some time.
    ...(value === '' && { maxAge: 0 }),
  });
}
