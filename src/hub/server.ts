/**
 * The hub: flists and chunks over HTTP (docs/protocol.md), from a catalogue and a chunk backend.
 *
 * Who may do what: `access/access.ts` and docs/hub.md.
 */

import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
} from 'fastify';
import pino from 'pino';
import { blake2bReady } from '../base/blake2b.ts';
import { toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { type MetricsServer, serveMetrics } from '../base/metrics-server.ts';
import type { DigestFunction } from '../store/chunk-id.ts';
import { JSON_SIZE_MAX } from '../store/hub-protocol.ts';
import { Access, type AnonymousWrites } from './access/access.ts';
import { FailureBound } from './access/failures.ts';
import { ensureAdmin, type FirstAdmin } from './access/first-admin.ts';
import { pruneAudit } from './access/prune-audit.ts';
import { RequestBound } from './access/request-bound.ts';
import { Sessions } from './access/session.ts';
import { SignedTokens } from './access/signed-token.ts';
import { answerBrokenRequest } from './client-error.ts';
import { DownloadCounter } from './downloads.ts';
import { RecordsReader } from './flist-records.ts';
import { fail } from './historical/envelope.ts';
import { Images } from './images.ts';
import { importFolder } from './import-folder.ts';
import { InfoRequests } from './info-method.ts';
import { Jobs } from './jobs.ts';
import { DEFAULT_LIMITS, HEADER_SIZE_MAX, type HubLimits } from './limits.ts';
import { HubMetrics } from './metrics.ts';
import { checkRequests } from './operation.ts';
import { Problem, problemOf, sendProblem } from './problem.ts';
import type { HubAddon, HubChunkStore, HubContext, PublicBackend } from './route.ts';
import { blockRoutes } from './routes/blocks.ts';
import { chunkRoutes } from './routes/chunks.ts';
import { collectRoutes } from './routes/collect.ts';
import { documentRoutes, watchRoutes } from './routes/documents.ts';
import { fileRoutes } from './routes/files.ts';
import { flistRoutes } from './routes/flists.ts';
import { assertReady, healthRoutes } from './routes/health.ts';
import { historicalRoutes, isHistorical } from './routes/historical/register.ts';
import { imageRoutes } from './routes/images.ts';
import { repositoryRoutes } from './routes/repositories.ts';
import { tagRoutes } from './routes/tags.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { userRoutes } from './routes/users.ts';
import { websiteRoutes } from './routes/website.ts';
import { openStorage } from './storage.ts';
import { webRoutes } from './web/routes.ts';
import { addSessionHook } from './web/session.ts';

export interface HubOptions {
  /** Holds `chunks/` and `catalogue/` unless they are elsewhere, and `tmp/`; made when absent. */
  readonly dataDir: string;
  /** URL of the catalogue, default `level:<dataDir>/catalogue`. */
  readonly catalogue?: string;
  /** Where chunks are kept, or its URL, default the folder `<dataDir>/chunks`. Closed with the hub. */
  readonly chunks?: HubChunkStore | string;
  /** Address to listen on, default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default: JSON lines to stderr. `false` logs nothing. */
  readonly logger?: pino.Logger | false;
  readonly limits?: Partial<HubLimits>;
  /** Who may upload without credentials to what nobody owns; default `default`. */
  readonly anonymousWrites?: AnonymousWrites;
  /** How long a session is good for after its password was given, default 12. */
  readonly sessionHours?: number;
  /** Takes tokens that the historical hub has signed with this seed of 32 bytes. */
  readonly signedTokens?: { readonly seed: Uint8Array; readonly ageMsMax?: number };
  /** Serve TLS by this certificate (with its chain) and key, both PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Addresses or networks of proxies whose `X-Forwarded-For` is believed; default none. */
  readonly trustProxy?: readonly string[];
  /** BLAKE2b of uploaded chunks, the addon's for example; default runs on the JS thread. */
  readonly digest?: DigestFunction;
  /** Makes flists of archives and images, looks into flists; without it neither. Reads batches of chunks in fewer steps. */
  readonly addon?: HubAddon;
  /** URL of the hub as clients see it, when it is not what they ask by: behind some proxies. */
  readonly publicUrl?: string;
  /** Where clients that speak the 0-db protocol find its chunks. */
  readonly publicBackend?: PublicBackend;
  /** Hosts (`registry.lan`, `10.0.0.7:5000`) that images may be taken from although their addresses are private. */
  readonly privateRegistries?: readonly string[];
  /** Refuses everything below `/api/flist/me`. Default false. */
  readonly readOnly?: boolean;
  /** Loopback address where metrics are served; default nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
  /** Flush uploaded chunks to the device before they are answered for. Default true. */
  readonly fsync?: boolean;
}

export interface Hub {
  /** Base URL with the port that was taken. */
  readonly url: string;
  /** Where metrics are served. */
  readonly metricsUrl: string | undefined;
  /** What the first start of this catalogue has made; shown to the operator, once. */
  readonly firstAdmin: FirstAdmin | undefined;
  /** Stops taking requests, lets the running ones finish within a bound, frees the port. Idempotent. */
  close(): Promise<void>;
}

// Longer than a proxy in front keeps its idle connections, so that the proxy closes them and not we
// while it sends a request (nginx: 60 s).
const KEEP_ALIVE_MS = 75_000;
// No upload takes this long; what is older was left by a hub that was killed.
const TEMPORARY_AGE_MS = 24 * 3_600_000;
const PARAMETER_SIZE_MAX = 300;
const DRAIN_POLL_MS = 50;
const SESSION_HOURS = 12;
const AUDIT_PRUNE_MS = 24 * 3_600_000;
const WATCHED = /^\/(?:health|ready|metrics)\/?$/;

/**
 * Starts a hub.
 *
 * @throws ERR_IO or ERR_PERMISSION when the directory or the port cannot be used
 */
export async function createHub(options: HubOptions): Promise<Hub> {
  const host = options.host ?? '127.0.0.1';
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const app = createApp(limits, options);
  let firstAdmin: FirstAdmin | undefined;
  let metricsUrl: string | undefined;
  try {
    await blake2bReady();
    const requests = new RequestBound(limits.requestCountMax);
    const context = await createContext(options, limits, isLoopback(host), requests);
    const pruning = startPruning(app, context);
    // After the last request, and also when the hub cannot start.
    app.addHook('onClose', async () => {
      await pruning.stop();
      await context.jobs.close();
      await context.downloads.close();
      await context.images.close();
      await context.storage.close();
    });
    await takeFolder(app, context);
    firstAdmin = await ensureAdmin(context.catalogue, context.dataDir);
    addHooks(app, requests);
    const watched = await watchMetrics(app, context, options.metrics);
    metricsUrl = watched?.url;
    addSessionHook(app, context);
    const routes = watchRoutes(app);
    documentRoutes(app, context, routes);
    healthRoutes(app, context);
    chunkRoutes(app, context);
    collectRoutes(app, context);
    userRoutes(app, context);
    tokenRoutes(app, context);
    repositoryRoutes(app, context);
    blockRoutes(app, context);
    fileRoutes(app, context);
    imageRoutes(app, context);
    websiteRoutes(app, context);
    await historicalRoutes(app, context);
    flistRoutes(app, context);
    tagRoutes(app, context);
    await webRoutes(app, context);
    await app.listen({ host, port: options.port ?? 0 });
  } catch (error) {
    await app.close();
    throw toG8Error(error, 'ERR_IO', `Hub cannot start on ${host}`);
  }
  let closed: Promise<void> | undefined;
  return {
    url: urlOf(app.server.address() as AddressInfo, options.tls !== undefined),
    metricsUrl,
    firstAdmin,
    close: () => {
      closed ??= closeGracefully(app, limits.shutdownMs);
      return closed;
    },
  };
}

function createApp(limits: HubLimits, options: HubOptions): FastifyInstance {
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

async function createContext(
  options: HubOptions,
  limits: HubLimits,
  isLocal: boolean,
  requests: RequestBound,
): Promise<HubContext> {
  const { dataDir, digest, fsync = true } = options;
  const temporary = join(dataDir, 'tmp');
  await makeFolder(temporary);
  await sweep(temporary);
  const storage = await openStorage({
    ...options,
    fsync,
    streams: options.addon,
    readChunks: options.addon?.readChunks,
    openCachedChunk: options.addon?.openCachedChunk,
  });
  const { catalogue, chunks, packages } = storage;
  const sessions = await Sessions.open(catalogue, options.sessionHours ?? SESSION_HOURS);
  const { signedTokens: signed } = options;
  const access = new Access({
    catalogue,
    sessions,
    signed: signed && new SignedTokens(signed.seed, signed.ageMsMax),
    anonymousWrites: options.anonymousWrites ?? 'default',
    isLocal,
    failures: new FailureBound(limits.failureCountMax),
    requests,
  });
  const { addon } = options;
  return {
    dataDir,
    chunks,
    catalogue,
    packages,
    images: new Images({ packages, addon, dataDir }),
    storage,
    access,
    sessions,
    records: new RecordsReader({ sizeMax: limits.recordsSizeMax, streams: addon }),
    jobs: new Jobs({
      runningCountMax: limits.conversionCountMax,
      describe: (error) => problemOf(error).message,
    }),
    downloads: new DownloadCounter(catalogue),
    addon,
    publicUrl: options.publicUrl?.replace(/\/+$/, ''),
    publicBackend: options.publicBackend,
    privateRegistries: options.privateRegistries ?? [],
    readOnly: options.readOnly ?? false,
    limits,
    digest,
  };
}

/** Counts and serves metrics, if that is wanted. */
async function watchMetrics(
  app: FastifyInstance,
  context: HubContext,
  listen: HubOptions['metrics'],
): Promise<MetricsServer | undefined> {
  if (listen === undefined) return undefined;
  const metrics = new HubMetrics();
  metrics.watch(app);
  const server = await serveMetrics(listen, async () => {
    const isReady = await assertReady(context).then(
      () => true,
      () => false,
    );
    return metrics.text(isReady);
  });
  app.addHook('onClose', () => server.close());
  return server;
}

/** Keeps the audit log within its bounds: now and every day. */
function startPruning(
  app: FastifyInstance,
  { catalogue, limits }: HubContext,
): { stop(): Promise<void> } {
  const ended = new AbortController();
  const bound = { countMax: limits.auditCountMax, ageMsMax: limits.auditAgeMsMax };
  let running: Promise<void> = Promise.resolve();
  const prune = () => {
    running = pruneAudit(catalogue, bound, ended.signal).then(
      (count) => {
        if (count > 0) app.log.info({ count }, 'old lines of the audit log are gone');
      },
      (error: unknown) => {
        if (!ended.signal.aborted) app.log.warn({ err: error }, 'the audit log was not pruned');
      },
    );
  };
  prune();
  const timer = setInterval(prune, AUDIT_PRUNE_MS).unref();
  return {
    stop: async () => {
      clearInterval(timer);
      ended.abort();
      await running;
    },
  };
}

/** What a hub before the catalogue has left in the data folder. */
async function takeFolder(app: FastifyInstance, context: HubContext): Promise<void> {
  const { count, refused } = await importFolder(context.dataDir, context);
  if (count > 0) app.log.info({ count }, 'flists of the folder are in the catalogue now');
  for (const flist of refused) app.log.warn({ flist }, 'a file of the folder is no flist');
}

async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > TEMPORARY_AGE_MS) {
      await rm(path, { force: true, recursive: true });
    }
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function addHooks(app: FastifyInstance, requests: RequestBound): void {
  // JSON is parsed within the body limit; everything else reaches its handler as a stream.
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    // Pages of other hubs and tools read this one; nothing here is given to a browser for its cookies.
    reply.header('access-control-allow-origin', '*');
    // What watches over the hub is to see it also when others ask too much.
    if (!WATCHED.test(request.url)) requests.take('address', request.ip);
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

async function closeGracefully(app: FastifyInstance, shutdownMs: number): Promise<void> {
  const { server } = app;
  // A connection that was busy when closing began turns idle later; nobody else closes it then.
  const drain = setInterval(() => server.closeIdleConnections(), DRAIN_POLL_MS);
  const cut = setTimeout(() => server.closeAllConnections(), shutdownMs);
  try {
    await app.close();
  } finally {
    clearInterval(drain);
    clearTimeout(cut);
  }
}

function urlOf(address: AddressInfo, isTls: boolean): string {
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${isTls ? 'https' : 'http'}://${host}:${address.port}`;
}
