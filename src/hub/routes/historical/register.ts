/** All routes of the historical hub, with errors in its envelope. */
import type { FastifyInstance } from 'fastify';
import { failWith } from '../../historical/envelope.ts';
import type { HubContext } from '../../route.ts';
import { historicalJobRoutes } from './jobs.ts';
import { historicalMeRoutes } from './me.ts';
import { historicalPublicRoutes } from './public.ts';
import { historicalUploadRoutes } from './upload.ts';

/** First segments of paths below `/api` whose errors come in the envelope, also where there is nothing. */
const PREFIX = /^\/api\/(flist|repositories|fileslist)(?=$|[/?])/;

export async function historicalRoutes(app: FastifyInstance, context: HubContext): Promise<void> {
  await app.register(async (scope) => {
    scope.setErrorHandler(failWith);
    historicalPublicRoutes(scope, context);
    historicalMeRoutes(scope, context);
    historicalUploadRoutes(scope, context);
    historicalJobRoutes(scope, context);
  });
}

export function isHistorical(url: string): boolean {
  return PREFIX.test(url);
}
