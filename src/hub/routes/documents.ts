/** The OpenAPI document, where clients of this hub and of older ones look for it. */
import type { FastifyInstance } from 'fastify';
import { baseUrl } from '../base-url.ts';
import { htmlPage, PAGE_HEADERS } from '../html.ts';
import { type DocumentedRoute, openApiDocument } from '../openapi/document.ts';
import { OPERATIONS } from '../openapi/operations.ts';
import type { OperationDocs } from '../operation.ts';
import { addRoute, type HubContext } from '../route.ts';

/** The newer historical server has a document per part; each of these is the whole one. */
const PATHS = [
  ['/api/openapi.json', 'getOpenApi'],
  ['/api-docs/openapi.json', 'getApiDocs'],
  ['/api-docs/block-api.json', 'getBlockDocs'],
  ['/api-docs/file-api.json', 'getFileDocs'],
  ['/api-docs/website-api.json', 'getWebsiteDocs'],
] as const;

/**
 * Watches routes as they are declared: to be called before the first. Pages are not part of the document; a route
 * below `/api` that nobody has described is a mistake of whoever declares it.
 */
export function watchRoutes(app: FastifyInstance): readonly DocumentedRoute[] {
  const routes: DocumentedRoute[] = [];
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.isOwn === true) return;
    const methods = [method].flat();
    const docs = config?.docs ?? OPERATIONS[`${methods[0]} ${url}`];
    if (docs === undefined) {
      if (!url.startsWith('/api/')) return;
      throw new Error(`${methods[0]} ${url} is not described (openapi/operations.ts)`);
    }
    routes.push({ url, methods, docs });
  });
  return routes;
}

export function documentRoutes(
  app: FastifyInstance,
  context: HubContext,
  routes: readonly DocumentedRoute[],
): void {
  for (const [path, id] of PATHS) {
    const docs: OperationDocs = {
      id,
      tag: 'hub',
      summary: 'This document',
      answers: { 200: { text: 'OpenAPI 3.1', type: 'application/json' } },
    };
    addRoute(
      app,
      path,
      {
        get: async (request, reply) =>
          reply.send(openApiDocument(routes, baseUrl(context, request))),
      },
      {},
      { get: docs },
    );
  }
  addRoute(
    app,
    '/swagger-ui',
    {
      get: async (_request, reply) =>
        reply
          .headers(PAGE_HEADERS)
          .send(
            htmlPage(
              'Interface of this hub',
              '<p><a href="/api/openapi.json">OpenAPI 3.1 document</a></p>',
            ),
          ),
    },
    {},
    {
      get: {
        id: 'getApiPage',
        tag: 'hub',
        summary: 'Where the document is',
        answers: { 200: { text: 'A page', type: 'text/html' } },
      },
    },
  );
}
