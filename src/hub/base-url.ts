/** URL of the hub as its clients see it. */
import type { FastifyRequest } from 'fastify';
import type { HubContext } from './route.ts';

/** What was configured, else what the client has asked by. Without a slash at the end. */
export function baseUrl({ publicUrl }: HubContext, request: FastifyRequest): string {
  if (publicUrl !== undefined) return publicUrl;
  const asked = `${request.protocol}://${request.host}`;
  if (/^[A-Za-z0-9.:[\]-]+$/.test(request.host) && URL.canParse(asked)) return asked;
  return `${request.protocol}://localhost`;
}
