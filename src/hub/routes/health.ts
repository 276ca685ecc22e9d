/** What the hub is and whether it can serve. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
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

export function healthRoutes(app: FastifyInstance, context: HubContext): void {
  addRoute(app, '/health', {
    get: async (_request, reply) =>
      reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  });
  addRoute(app, '/ready', {
    get: async (_request, reply) => {
      try {
        await access(context.dataDir, constants.R_OK | constants.W_OK);
        await context.catalogue.get(REPOSITORY, 'ready');
      } catch {
        throw new Problem(503, 'The data directory or the catalogue cannot be used', {
          'retry-after': '5',
        });
      }
      return reply.header('cache-control', 'no-store').send({ status: 'ready' });
    },
  });
  addRoute(app, '/api/v1', { get: async (_request, reply) => reply.send(INFO) });
}
