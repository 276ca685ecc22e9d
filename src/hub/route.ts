/** How routes are declared: a path with its methods, and 405 with `Allow` for all the others. */
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HTTPMethods,
  onRequestAsyncHookHandler,
} from 'fastify';
import type { DigestFunction } from '../store/chunk-id.ts';
import type { OpenChunk } from '../store/directory.ts';
import type { ChunkId, PrunableChunkStore } from '../store/store.ts';
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
  /** Runs before a writing request's body is read; answers 403 when it is not allowed. */
  readonly authorizeWrite: onRequestAsyncHookHandler;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export interface RouteHandlers {
  /** Serves HEAD as well: it looks at the request's method where that matters. */
  readonly get?: Handler;
  readonly post?: Handler;
  readonly put?: Handler;
  readonly delete?: Handler;
}

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Declares a path. `onRequest` runs before the bodies of `put` and `delete` and, if `guardPost`, of `post`. */
export function addRoute(
  app: FastifyInstance,
  url: string,
  handlers: RouteHandlers,
  guard: { authorize?: onRequestAsyncHookHandler; post?: boolean } = {},
): void {
  const allowed: HTTPMethods[] = [];
  const add = (method: HTTPMethods[], handler: Handler | undefined, isGuarded: boolean) => {
    if (handler === undefined) return;
    allowed.push(...method);
    const onRequest = isGuarded && guard.authorize !== undefined ? [guard.authorize] : [];
    app.route({ method, url, handler, onRequest });
  };
  add(['GET', 'HEAD'], handlers.get, false);
  add(['POST'], handlers.post, guard.post ?? false);
  add(['PUT'], handlers.put, true);
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
