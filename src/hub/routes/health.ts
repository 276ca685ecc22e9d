/** What the hub is and whether it can serve. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { withDeadline } from '../../base/deadline.ts';
import { HUB_NAME, type HubInfo, PROTOCOL_VERSION } from '../../store/hub-protocol.ts';
import { REPOSITORY } from '../catalogue/records.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext } from '../route.ts';

// `msg` is what clients of the newer historical server look for.
const INFO: HubInfo & { readonly msg: string } = {
  msg: 'flist server is working',
  hub: HUB_NAME,
  version: PROTOCOL_VERSION,
  features: [
    'chunks',
    'chunks-batch',
    'chunks-missing',
    'chunks-upload',
    'flists',
    'flists-present',
    'flists-search',
    'tags',
  ],
};

/** No chunk has this id: asking for it costs a look, wherever chunks are. */
const NO_CHUNK = '0'.repeat(64);
const READY_MS_MAX = 5_000;

/** Looks once at all that the hub needs. @throws when something of it cannot be used, or does not answer in time */
export async function assertReady({ dataDir, catalogue, chunks }: HubContext): Promise<void> {
  await access(dataDir, constants.R_OK | constants.W_OK);
  await withDeadline({ timeoutMs: READY_MS_MAX, what: 'Readiness' }, async (signal) => {
    await catalogue.get(REPOSITORY, 'ready');
    await chunks.missing([NO_CHUNK], { signal });
  });
}

export function healthRoutes(app: FastifyInstance, context: HubContext): void {
  addRoute(app, '/health', {
    get: async (_request, reply) =>
      reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  });
  addRoute(app, '/ready', {
    get: async (_request, reply) => {
      try {
        await assertReady(context);
      } catch {
        throw new Problem(503, 'The data directory, the catalogue or the chunks cannot be used', {
          'retry-after': '5',
        });
      }
      return reply.header('cache-control', 'no-store').send({ status: 'ready' });
    },
  });
  addRoute(app, '/api/v1', { get: async (_request, reply) => reply.send(INFO) });
}
