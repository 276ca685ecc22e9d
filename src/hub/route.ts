/** How routes are declared: a path with its methods, and 405 with `Allow` for all the others. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { CodecBinding, PackBinding, ScanBinding, StreamBinding } from '../native/addon.ts';
import type { DigestFunction } from '../store/chunk-id.ts';
import type { OpenChunk } from '../store/directory.ts';
import type { CachedChunk } from '../store/directory-calls.ts';
import type { ChunkId, PrunableChunkStore } from '../store/store.ts';
import type { Access } from './access/access.ts';
import type { Sessions } from './access/session.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import type { ChunkCache } from './chunk-cache/chunk-cache.ts';
import type { DownloadCounter } from './downloads.ts';
import type { RecordsReader } from './flist-records.ts';
import type { Images } from './images.ts';
import type { Jobs } from './jobs.ts';
import type { HubLimits } from './limits.ts';
import { documented, type OperationDocs, OWN } from './operation.ts';
import type { PackageStore } from './package-store.ts';
import { Problem, sendProblem } from './problem.ts';
import type { HubStorage } from './storage.ts';

/** Where a hub keeps its chunks: any backend, and what some of them can do better. */
export interface HubChunkStore extends PrunableChunkStore {
  /** A chunk that is streamed from a file, without passing through memory. */
  openChunk?(id: ChunkId): Promise<OpenChunk>;
  /** The same at once, for one that is in memory. */
  openCached?(id: ChunkId): CachedChunk | undefined;
}

/** What of the native addon makes flists of archives, reads many chunks in one call, and sends them as files. */
export type HubAddon = CodecBinding &
  ScanBinding &
  StreamBinding &
  Pick<PackBinding, 'openCachedChunk' | 'readChunks' | 'sendFile' | 'writeChunks'>;

/** Where clients that speak the 0-db protocol find the hub's chunks. */
export interface PublicBackend {
  readonly host: string;
  readonly port: number;
  readonly namespace: string;
}

/** What the routes of one hub share. */
export interface HubContext {
  readonly dataDir: string;
  readonly chunks: HubChunkStore;
  /** In front of `chunks`, for what is served. */
  readonly cache: ChunkCache | undefined;
  readonly catalogue: Catalogue;
  readonly packages: PackageStore;
  readonly images: Images;
  readonly records: RecordsReader;
  readonly jobs: Jobs;
  readonly downloads: DownloadCounter;
  readonly addon: HubAddon | undefined;
  /** URL of the hub as clients see it; without it what they ask by. */
  readonly publicUrl: string | undefined;
  readonly publicBackend: PublicBackend | undefined;
  /** Hosts, with their port or for all ports, that images are taken from although their addresses are private. */
  readonly privateRegistries: readonly string[];
  /** Historical routes refuse their users' repositories. */
  readonly readOnly: boolean;
  /** All of these, and what runs over all chunks need besides. */
  readonly storage: HubStorage;
  readonly limits: HubLimits;
  readonly digest: DigestFunction | undefined;
  readonly access: Access;
  readonly sessions: Sessions;
}

export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export interface RouteHandlers {
  /** Serves HEAD as well: it looks at the request's method where that matters. */
  readonly get?: Handler;
  readonly post?: Handler;
  readonly put?: Handler;
  readonly patch?: Handler;
  readonly delete?: Handler;
}

export type RouteDocs = { readonly [Key in keyof RouteHandlers]?: OperationDocs };

export const METHODS: readonly HTTPMethods[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
];

/**
 * Declares a path. `authorize` runs before the bodies of `put`, `patch` and `delete` are read and, if `post`, of
 * `post`: it throws when the request is not allowed. `docs` say what the OpenAPI document says; their schemas
 * check the query and a JSON body.
 */
export function addRoute(
  app: FastifyInstance,
  url: string,
  handlers: RouteHandlers,
  guard: { authorize?: (request: FastifyRequest) => Promise<unknown>; post?: boolean } = {},
  docs: RouteDocs = {},
): void {
  const allowed: HTTPMethods[] = [];
  const add = (method: HTTPMethods[], name: keyof RouteHandlers, isGuarded: boolean) => {
    const handler = handlers[name];
    if (handler === undefined) return;
    allowed.push(...method);
    const { authorize } = guard;
    const onRequest =
      isGuarded && authorize !== undefined
        ? [async (request: FastifyRequest) => void (await authorize(request))]
        : [];
    app.route({ method, url, handler, onRequest, ...documented(docs[name]) });
  };
  add(['GET', 'HEAD'], 'get', false);
  add(['POST'], 'post', guard.post ?? false);
  add(['PUT'], 'put', true);
  add(['PATCH'], 'patch', true);
  add(['DELETE'], 'delete', true);
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
    ...OWN,
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
