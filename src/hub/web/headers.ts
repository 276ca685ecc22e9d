/** What browsers are told beside the content. */
import type { FastifyReply } from 'fastify';

/** Scripts, styles and images are files of the hub; nothing is inline, nothing comes from elsewhere. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Whatever somebody has put into an image: never a document of this origin. */
export const CONTENT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'";

export function protectPage(reply: FastifyReply): void {
  // What others may read of the hub is below `/api`.
  reply.removeHeader('access-control-allow-origin');
  reply.headers({
    'content-security-policy': PAGE_POLICY,
    'x-frame-options': 'DENY',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    // A page depends on who asks, and on what was published a moment ago.
    'cache-control': 'private, no-cache',
    vary: 'Cookie',
  });
}
