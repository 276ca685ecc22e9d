/**
 * The hub: flists and chunks over HTTP (docs/protocol.md), from a catalogue and a chunk backend.
 *
 * Who may do what: `access/access.ts` and docs/hub.md.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { blake2bReady } from '../base/blake2b.ts';
import { toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { type MetricsServer, serveMetrics } from '../base/metrics-server.ts';
import { Access } from './access/access.ts';
import { FailureBound } from './access/failures.ts';
import { ensureAdmin, type FirstAdmin } from './access/first-admin.ts';
import { pruneAudit } from './access/prune-audit.ts';
import { RequestBound } from './access/request-bound.ts';
import { Sessions } from './access/session.ts';
import { SignedTokens } from './access/signed-token.ts';
import { addHooks, createApp } from './app.ts';
import { DownloadCounter } from './downloads.ts';
import { RecordsReader } from './flist-records.ts';
import { Images } from './images.ts';
import { importFolder } from './import-folder.ts';
import { Jobs } from './jobs.ts';
import { DEFAULT_LIMITS, type HubLimits } from './limits.ts';
import { HubMetrics } from './metrics.ts';
import type { HubOptions } from './options.ts';
import { problemOf } from './problem.ts';
import type { HubContext } from './route.ts';
import { blockRoutes } from './routes/blocks.ts';
import { chunkRoutes } from './routes/chunks.ts';
import { collectRoutes } from './routes/collect.ts';
import { documentRoutes, watchRoutes } from './routes/documents.ts';
import { fileRoutes } from './routes/files.ts';
import { flistRoutes } from './routes/flists.ts';
import { assertReady, healthRoutes } from './routes/health.ts';
import { historicalRoutes } from './routes/historical/register.ts';
import { imageRoutes } from './routes/images.ts';
import { repositoryRoutes } from './routes/repositories.ts';
import { tagRoutes } from './routes/tags.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { userRoutes } from './routes/users.ts';
import { websiteRoutes } from './routes/website.ts';
import { openStorage } from './storage.ts';
import { webRoutes } from './web/routes.ts';
import { addSessionHook } from './web/session.ts';

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

// No upload takes this long; what is older was left by a hub that was killed.
const TEMPORARY_AGE_MS = 24 * 3_600_000;
const DRAIN_POLL_MS = 50;
const SESSION_HOURS = 12;
const AUDIT_PRUNE_MS = 24 * 3_600_000;

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
    writeChunks: options.addon?.writeChunks,
  });
  const { catalogue, chunks, cache, packages } = storage;
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
    cache,
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
    return metrics.text(isReady, context.cache?.status);
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
