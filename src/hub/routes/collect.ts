/**
 * Runs over all chunks, for administrators: garbage collection, check, stats. The answer is lines of JSON: what is
 * going on about once a second, at last the result or the error. A client that goes away ends its run.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sleep } from '../../base/deadline.ts';
import { type G8Error, isG8Error, toG8Error } from '../../base/errors.ts';
import {
  checkRequest,
  collectRequest,
  RUN_LINE_MS,
  RUN_MEDIA_TYPE,
  type RunProgress,
  statsRequest,
} from '../../store/hub-runs.ts';
import { openStore } from '../../store/open.ts';
import { parseBody } from '../body.ts';
import { checkChunks } from '../collect/check.ts';
import { collectGarbage, GRACE_MS } from '../collect/collector.ts';
import { hubStats } from '../collect/stats.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext } from '../route.ts';

interface Running {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RunProgress) => void;
}

export function collectRoutes(app: FastifyInstance, context: HubContext): void {
  const { storage, access } = context;
  const guard = {
    authorize: (request: FastifyRequest) => access.authorizeAdmin(request),
    post: true,
  };
  const { tmpDir } = storage;
  const add = (
    word: string,
    start: (request: FastifyRequest) => (running: Running) => Promise<unknown>,
  ) => {
    const post = (request: FastifyRequest, reply: FastifyReply) =>
      answer(request, reply, start(request));
    addRoute(app, `/api/v1/collect/${word}`, { post }, guard);
  };
  add('gc', (request) => {
    const { dryRun = false, graceMs = GRACE_MS } = parseBody(request, collectRequest);
    return (running) => collectGarbage(storage, { ...running, tmpDir, dryRun, graceMs });
  });
  add('check', (request) => {
    const { repairFrom: url } = parseBody(request, checkRequest);
    const repairFrom = url === undefined ? undefined : openStore(url);
    return async (running) => {
      try {
        const { digest } = context;
        return await checkChunks(storage, { ...running, tmpDir, digest, repairFrom });
      } finally {
        await repairFrom?.close();
      }
    };
  });
  add('stats', (request) => {
    parseBody(request, statsRequest);
    return (running) => hubStats(storage, { ...running, tmpDir });
  });
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  run: (running: Running) => Promise<unknown>,
): Promise<FastifyReply> {
  const lines = linesOf(run, (error) => request.log.error({ err: error }, 'run failed'));
  // What fails at once is an answer with a status of its own.
  const first = await lines.next();
  if (first.done === true) throw new Error('A run without a line');
  const { error } = first.value;
  if (isG8Error(error, 'ERR_CACHE_LOCKED')) throw new Problem(409, error.message);
  if (error !== undefined) throw error;
  const texts = async function* () {
    yield textOf(first.value);
    for await (const line of lines) yield textOf(line);
  };
  const stream = Readable.from(texts(), { objectMode: false });
  // Also when nothing of it was ever read.
  stream.once('close', () => void lines.return());
  reply.type(RUN_MEDIA_TYPE).header('cache-control', 'no-store');
  return reply.send(stream);
}

interface Line {
  readonly progress?: RunProgress | null;
  readonly result?: unknown;
  readonly error?: G8Error;
}

async function* linesOf(
  run: (running: Running) => Promise<unknown>,
  onError: (error: unknown) => void,
): AsyncGenerator<Line, void, void> {
  const controller = new AbortController();
  let progress: RunProgress | null = null;
  let end: Line | undefined;
  const over = new AbortController();
  const onProgress = (next: RunProgress) => {
    progress = next;
  };
  const done = run({ signal: controller.signal, onProgress })
    .then(
      (result) => {
        end = { result };
      },
      (error: unknown) => {
        if (!isG8Error(error)) onError(error);
        end = { error: toG8Error(error, 'ERR_INTERNAL', 'The run failed') };
      },
    )
    .finally(() => over.abort());
  try {
    while (end === undefined) {
      await sleep(RUN_LINE_MS, over.signal).catch(() => {});
      if (end === undefined) yield { progress };
    }
    yield end;
  } finally {
    controller.abort();
    await done;
  }
}

function textOf({ error, ...line }: Line): string {
  const value =
    error === undefined ? line : { error: { code: error.code, message: error.message } };
  return `${JSON.stringify(value)}\n`;
}
