/** The HTTP server of a hub without its routes: limits, request ids, the log, how failures are answered. */
import { randomUUID } from 'node:crypto';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
} from 'fastify';
import pino from 'pino';
import { JSON_SIZE_MAX } from '../store/hub-protocol.ts';
import type { RequestBound } from './access/request-bound.ts';
import { answerBrokenRequest } from './client-error.ts';
import { fail } from './historical/envelope.ts';
import { InfoRequests } from './info-method.ts';
import { HEADER_SIZE_MAX, type HubLimits } from './limits.ts';
import { checkRequests } from './operation.ts';
import type { HubOptions } from './options.ts';
import { Problem, problemOf, sendProblem } from './problem.ts';
import { isHistorical } from './routes/historical/register.ts';

// Longer than a proxy in front keeps its idle connections, so that the proxy closes them and not we
// while it sends a request (nginx: 60 s).
const KEEP_ALIVE_MS = 75_000;
const PARAMETER_SIZE_MAX = 300;
const WATCHED = /^\/(?:health|ready|metrics)\/?$/;

export function createApp(limits: HubLimits, options: HubOptions): FastifyInstance {
  const { logger, tls, trustProxy = [] } = options;
  const http = { maxHeaderSize: HEADER_SIZE_MAX, connectionsCheckingInterval: 5_000 };
  const infoRequests = new InfoRequests();
  const app = fastify({
    ...(logger === false
      ? { logger: false }
      : { loggerInstance: (logger ?? stderrLogger()) as FastifyBaseLogger }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    bodyLimit: JSON_SIZE_MAX,
    connectionTimeout: limits.idleMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    ...(tls === undefined ? { http } : { https: { ...http, ...tls } }),
    trustProxy: trustProxy.length > 0 && [...trustProxy],
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: PARAMETER_SIZE_MAX },
    clientErrorHandler: (error, socket) => {
      const taken = infoRequests.take(app as unknown as FastifyInstance, error, socket);
      if (!taken) answerBrokenRequest(error, socket);
    },
    frameworkErrors: (error, request, reply) => {
      sendProblem(request as FastifyRequest, reply as never, problemOf(error));
    },
  });
  app.server.maxConnections = limits.connectionCountMax;
  return app as unknown as FastifyInstance;
}

function stderrLogger(): pino.Logger {
  return pino({ base: { component: 'hub' } }, pino.destination(2));
}

/** What every request goes through; before any route is declared. */
export function addHooks(app: FastifyInstance, requests: RequestBound): void {
  // JSON is parsed within the body limit; everything else reaches its handler as a stream.
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  // Not async, as it is run for each request.
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    // Pages of other hubs and tools read this one; nothing here is given to a browser for its cookies.
    reply.header('access-control-allow-origin', '*');
    // What watches over the hub is to see it also when others ask too much.
    if (!WATCHED.test(request.url)) requests.take('address', request.ip);
    done();
  });
  // A body ends with a newline, as the historical hub's do and terminals like.
  app.setReplySerializer((payload) => `${JSON.stringify(payload)}\n`);
  checkRequests(app);
  app.setNotFoundHandler((request, reply) => {
    const problem = new Problem(404, 'There is nothing at this path');
    if (isHistorical(request.url)) return fail(reply, problem);
    return sendProblem(request, reply, problem);
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.error({ err: error }, 'request failed');
    return sendProblem(request, reply, problem);
  });
}
