/** Answers as clients of the historical hub know them: an envelope around results and errors. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem, problemOf } from '../problem.ts';

/** `{"status": "success"}`, with what there is to say. */
export function succeed(reply: FastifyReply, payload?: unknown): FastifyReply {
  return reply.send({ status: 'success', ...(payload !== undefined && { payload }) });
}

/** `{"status": "error", "message": …}` with the status that the failure has. */
export function fail(reply: FastifyReply, { status, message, headers }: Problem): FastifyReply {
  return reply
    .code(status)
    .headers(headers)
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(`${JSON.stringify({ status: 'error', message })}\n`);
}

/** An error handler for routes that answer so. */
export function failWith(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = problemOf(error);
  if (problem.status >= 500) request.log.error({ err: error }, 'request failed');
  return fail(reply, problem);
}

export function sourceNotFound(): Problem {
  return new Problem(404, 'source not found');
}
