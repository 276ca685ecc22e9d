/**
 * Runs over all chunks of a hub (collection, check, stats), asked for by HTTP: what is sent, and the lines of
 * JSON that come while it runs. Shared by hub and client.
 */
import { z } from 'zod';
import { throwIfAborted } from '../base/abort.ts';
import { CODES, type ErrorCode, G8Error } from '../base/errors.ts';
import type { HttpClient } from './http-client.ts';
import type { StoreCallOptions } from './store.ts';
import { whenAllowed } from './when-allowed.ts';

const count = z.number().int().nonnegative();
const digest = z.string().max(64);
/** A year. */
const GRACE_MS_MAX = 366 * 24 * 3_600_000;

export const collectRequest = z.object({
  /** Default 24 hours. */
  graceMs: count.max(GRACE_MS_MAX).optional(),
  /** Say what would be done, and change nothing. */
  dryRun: z.boolean().optional(),
});
export const checkRequest = z.object({
  /** URL of a store that whole chunks are taken from. */
  repairFrom: z.string().min(1).max(2048).optional(),
});
export const statsRequest = z.object({});

export const collectResult = z.object({
  packages: count,
  /** Packages that were deleted, or would be. */
  deletedPackages: count,
  /** Digests of packages that are no flists: they keep nothing but their own pieces. */
  unreadablePackages: z.array(digest),
  /** Chunks in the backend. */
  chunks: count,
  /** Chunks to which nothing refers, those deleted included. */
  garbage: count,
  /** Of these: deleted, or would be. */
  deleted: count,
  /** Chunks that were to be deleted and that an upload was faster to ask for. */
  kept: count,
  dryRun: z.boolean(),
});
export type CollectResult = z.infer<typeof collectResult>;

export const checkResult = z.object({
  chunks: count,
  /** Bytes read. */
  bytes: count,
  corrupt: count,
  missing: count,
  /** Of the corrupt and the missing ones. */
  repaired: count,
  /** Packages whose references are unknown because they cannot be read. */
  damagedPackages: z.array(digest),
  /** The first ids that are corrupt or missing still. */
  damaged: z.array(z.object({ id: digest, what: z.enum(['corrupt', 'missing']) })),
});
export type CheckResult = z.infer<typeof checkResult>;

export const statsResult = z.object({
  flists: z.array(
    z.object({
      repository: z.string(),
      name: z.string(),
      /** Bytes in the store of what it needs, its own package included; each chunk once. */
      bytes: count,
      /** Of these, bytes that would be garbage without it. Names with the same package share theirs. */
      uniqueBytes: count,
    }),
  ),
  packages: count,
  /** Distinct chunks that flists refer to. */
  chunks: count,
  /** Bytes of them. */
  storedBytes: count,
  /** Bytes there would be if flists shared nothing. */
  referencedBytes: count,
  /** `referencedBytes / storedBytes`, 1 for an empty hub. */
  ratio: z.number(),
});
export type StatsResult = z.infer<typeof statsResult>;

export const runProgress = z.object({
  phase: z.enum(['packages', 'mark', 'list', 'sweep', 'read']),
  /** What the phase counts, so far. */
  count,
});
export type RunProgress = z.infer<typeof runProgress>;

const line = z.union([
  z.object({ progress: runProgress.nullable() }),
  z.object({ result: z.unknown() }).required(),
  z.object({ error: z.object({ code: z.string(), message: z.string().max(10_000) }) }),
]);

export const RUN_MEDIA_TYPE = 'application/x-ndjson';
/** Between two lines; well below what a client waits for one. */
export const RUN_LINE_MS = 1_000;
// A result of a hundred thousand flists.
const LINE_SIZE_MAX = 64 * 1024 * 1024;
const RUN_MS_MAX = 7 * 24 * 3_600_000;

interface HubRun<T> {
  readonly path: string;
  readonly body: unknown;
  readonly result: z.ZodType<T>;
}

interface RunOptions extends StoreCallOptions {
  readonly onProgress?: (progress: RunProgress) => void;
}

/**
 * Asks a hub for a run and waits for its end.
 *
 * @throws what the run throws there, ERR_PERMISSION, ERR_CACHE_LOCKED while another one is under way, ERR_PROTOCOL,
 *   ERR_STORE_UNAVAILABLE when the connection is lost, which ends the run
 */
export async function runAtHub<T>(
  client: HttpClient,
  run: HubRun<T>,
  options: RunOptions = {},
): Promise<T> {
  return await whenAllowed(options, () => runOnce(client, run, options));
}

async function runOnce<T>(client: HttpClient, run: HubRun<T>, options: RunOptions): Promise<T> {
  const request = {
    method: 'POST',
    path: run.path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(run.body),
    signal: options.signal,
    timeoutMs: RUN_MS_MAX,
  } as const;
  const lines = client.stream(request, async function* (response) {
    let rest = '';
    for await (const piece of response.body) {
      rest += Buffer.from(piece).toString('utf8');
      if (rest.length > LINE_SIZE_MAX) throw problem(client, 'a line that is too long');
      const parts = rest.split('\n');
      rest = parts.pop() ?? '';
      yield* parts;
    }
  });
  for await (const text of lines) {
    throwIfAborted(options.signal);
    const parsed = line.safeParse(jsonOf(text));
    if (!parsed.success) throw problem(client, 'something else');
    const { data } = parsed;
    if ('error' in data) throw new G8Error(codeOf(data.error.code), data.error.message);
    if ('result' in data) return run.result.parse(data.result);
    if (data.progress !== null) options.onProgress?.(data.progress);
  }
  throw new G8Error('ERR_STORE_UNAVAILABLE', `Hub ${client.name} ended the run without a result`);
}

function problem(client: HttpClient, what: string): G8Error {
  return new G8Error('ERR_PROTOCOL', `Hub ${client.name} answered with ${what}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(text: string): ErrorCode {
  return text in CODES ? (text as ErrorCode) : 'ERR_PROTOCOL';
}
