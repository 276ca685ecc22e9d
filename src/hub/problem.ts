/** Failures as HTTP answers: problem documents (RFC 9457) with the right status, and nothing internal. */
import { STATUS_CODES } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, isG8Error } from '../base/errors.ts';

/** A refusal with its status; thrown by handlers, answered by the error handler. */
export class Problem extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.headers = headers;
  }
}

/** The document of a problem. `requestId` finds the request in the hub's log. */
export function problemDocument(status: number, detail: string, requestId?: string): string {
  const title = STATUS_CODES[status] ?? 'Error';
  return `${JSON.stringify({ type: 'about:blank', title, status, detail, requestId })}\n`;
}

/** Statuses of the errors that storage raises; all others are 500 and say nothing. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  ERR_CHUNK_MISSING: 404,
  ERR_NO_INPUT: 404,
  ERR_FLIST_FORMAT: 422,
  ERR_PROTOCOL: 400,
  ERR_TIMEOUT: 408,
  ERR_CACHE_FULL: 507,
  ERR_STORE_UNAVAILABLE: 503,
  ERR_HOST_UNKNOWN: 503,
};

export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
): FastifyReply {
  return (
    reply
      .code(problem.status)
      .headers(problem.headers)
      .header('cache-control', 'no-store')
      .type('application/problem+json')
      // Bytes: to a string the framework would add a charset, which this media type does not have.
      .send(Buffer.from(problemDocument(problem.status, problem.message, request.id)))
  );
}

/** What a thrown value is to the client. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isG8Error(error)) {
    const status = STATUS_OF_CODE[error.code];
    if (status !== undefined && status < 500) return new Problem(status, error.message);
    if (status === 503) {
      return new Problem(503, 'The hub cannot reach its storage', { 'retry-after': '1' });
    }
    if (status === 507) return new Problem(507, 'The hub has no room left');
  }
  const { code, statusCode, message } = error as {
    code?: string;
    statusCode?: number;
    message?: string;
  };
  // The client hung up within its request: nobody reads this, and the hub did not fail.
  if (code === 'ECONNRESET') return new Problem(400, 'The request ended early');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem(statusCode, message ?? 'Bad request');
  }
  return new Problem(500, 'The hub failed to answer this request');
}
