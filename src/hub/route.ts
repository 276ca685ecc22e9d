/** How routes are declared: a path with its methods, and 405 with `Allow` for all the others. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { DigestFunction } from '../store/chunk-id.ts';
import type { OpenChunk } from '../store/directory.ts';
import type { ChunkId, PrunableChunkStore } from '../store/store.ts';
import type { Access } from './access/access.ts';
import type { Sessions } from './access/session.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import type { HubLimits } from './limits.ts';
import type { PackageStore } from './package-store.ts';
import { Problem, sendProblem } from './problem.ts';

/** Where a hub keeps its chunks: any backend, and what some of them can do better. */
export interface HubChunkStore extends PrunableChunkStore {
  /** A chunk that is streamed from a file, without passing through memory. */
  openChunk?(id: ChunkId): Promise<OpenChunk>;
}

/** What the routes of one hub share. */
export interface HubContext {
  readonly dataDir: string;
  readonly chunks: HubChunkStore;
  readonly catalogue: Catalogue;
  readonly packages: PackageStore;
  readonly limits: HubLimits;
  readonly digest: DigestFunction | undefined;
  readonly access: Access;
  readonly sessions: Sessions;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export interface RouteHandlers {
  /** Serves HEAD as well: it looks at the request's method where that matters. */
  readonly get?: Handler;
  readonly post?: Handler;
  readonly put?: Handler;
  readonly patch?: Handler;
  readonly delete?: Handler;
}

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * Declares a path. `authorize` runs before the bodies of `put`, `patch` and `delete` are read and, if `post`, of
 * `post`: it throws when the request is not allowed.
 */
export function addRoute(
  app: FastifyInstance,
  url: string,
  handlers: RouteHandlers,
  guard: { authorize?: (request: FastifyRequest) => Promise<unknown>; post?: boolean } = {},
): void {
  const allowed: HTTPMethods[] = [];
  const add = (method: HTTPMethods[], handler: Handler | undefined, isGuarded: boolean) => {
    if (handler === undefined) return;
    allowed.push(...method);
    const { authorize } = guard;
    const onRequest =
      isGuarded && authorize !== undefined
        ? [async (request: FastifyRequest) => void (await authorize(request))]
        : [];
    app.route({ method, url, handler, onRequest });
  };
  add(['GET', 'HEAD'], handlers.get, false);
  add(['POST'], handlers.post, guard.post ?? false);
  add(['PUT'], handlers.put, true);
  add(['PATCH'], handlers.patch, true);
  add(['DELETE'], handlers.delete, true);
  const allow = allowed.join(', ');
  const refuse = async (request: FastifyRequest, reply: FastifyReply) =>
    sendProblem(
      request,
      reply,
      new Problem(405, `${request.method} is not possible here`, { allow }),
    );
  app.route({
    method: METHODS.filter((method) => !allowed.includes(method)),
    url,
    onRequest: refuse,
    handler: refuse,
  });
}

/** A path parameter, decoded. */
export function parameter(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string | undefined>)[name] ?? '';
}

/** A query parameter; `undefined` when it is not given. @throws Problem 400 when it is given twice or has a NUL */
export function queryText(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Record<string, string | string[] | undefined>)[name];
  if (Array.isArray(value)) throw new Problem(400, `The parameter ${name} is given twice`);
  if (value?.includes('\0')) throw new Problem(400, `The parameter ${name} is not allowed`);
  return value;
}
