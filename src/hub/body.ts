/** Request bodies read with bounds: size, time, and how many are held in memory at once. */
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Problem } from './problem.ts';

/** The body as a stream. @throws Problem 415 when it was parsed as something else */
export function bodyStream(request: FastifyRequest): Readable {
  if (request.body instanceof Readable) return request.body;
  if (request.body === undefined) return Readable.from([]);
  throw new Problem(415, 'The body must be application/octet-stream');
}

/** @throws Problem 413 when the request states more bytes than allowed */
export function assertStatedSize(request: FastifyRequest, sizeMax: number): void {
  if (Number(request.headers['content-length'] ?? 0) > sizeMax) throw tooLarge(sizeMax);
}

export function tooLarge(sizeMax: number): Problem {
  return new Problem(413, `The body is larger than ${sizeMax} bytes`);
}

/** The pieces of a body. @throws Problem 413 above `sizeMax` bytes, 408 after `timeoutMs` */
export async function* bounded(
  stream: Readable,
  sizeMax: number,
  timeoutMs: number,
): AsyncGenerator<Uint8Array, void, void> {
  // Neither an end nor a deadline may destroy the request: that would take the connection with it
  // before the answer is sent.
  const iterator = stream.iterator({ destroyOnReturn: false });
  let stop: (problem: Problem) => void = () => {};
  const timer = setTimeout(
    () => stop(new Problem(408, `The body did not come within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    for (let size = 0; ; ) {
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        stop = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      size += next.value.length;
      if (size > sizeMax) throw tooLarge(sizeMax);
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** A JSON body of the given shape. @throws Problem 400 */
export function parseBody<T>(request: FastifyRequest, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(request.body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Problem(400, `The body has an invalid ${issue?.path.join('.') || 'root'}`);
}

/** Bounds how many of something run at once. */
export class Gate {
  #count = 0;
  readonly #countMax: number;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** @throws Problem 503 when all places are taken */
  async run<T>(run: () => Promise<T>): Promise<T> {
    if (this.#count >= this.#countMax) {
      throw new Problem(503, 'Too many uploads at once', { 'retry-after': '1' });
    }
    this.#count++;
    try {
      return await run();
    } finally {
      this.#count--;
    }
  }
}
