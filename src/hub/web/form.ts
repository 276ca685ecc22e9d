/** Forms of the hub's own pages: a few short fields. */
import { bodyStream, bounded } from '../body.ts';
import { Problem } from '../problem.ts';
import { assertOwnPage } from './session.ts';
import type { Visit } from './visit.ts';

const SIZE_MAX = 16 * 1024;

/**
 * The fields of a form that was sent from a page of this hub; absent ones are empty.
 *
 * @throws Problem 403 from elsewhere, 413 when it is too large, 415 when it is no form
 */
export async function formOf({ request, context }: Visit): Promise<(name: string) => string> {
  assertOwnPage(request);
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Problem(415, 'The body must be a form');
  }
  const pieces: Uint8Array[] = [];
  const source = bounded(bodyStream(request), SIZE_MAX, context.limits.bodyMs);
  for await (const piece of source) pieces.push(piece);
  const fields = new URLSearchParams(Buffer.concat(pieces).toString());
  return (name) => fields.get(name)?.trim() ?? '';
}
