/** Routes that answer in the historical envelope, also when they refuse. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { documented, type OperationDocs, OWN } from '../operation.ts';
import { Problem } from '../problem.ts';
import { type Handler, METHODS } from '../route.ts';
import { fail } from './envelope.ts';

export interface HistoricalOperation {
  readonly handler: Handler;
  readonly docs: OperationDocs;
}

/** `read` answers GET and HEAD; `change` GET, as old clients do it, POST and PUT. */
export interface HistoricalOperations {
  readonly read?: HistoricalOperation;
  readonly change?: HistoricalOperation;
  readonly post?: HistoricalOperation;
  readonly delete?: HistoricalOperation;
}

const METHODS_OF: Readonly<Record<keyof HistoricalOperations, HTTPMethods[]>> = {
  read: ['GET', 'HEAD'],
  change: ['GET', 'POST', 'PUT'],
  post: ['POST'],
  delete: ['DELETE'],
};

/**
 * Declares a path of a scope whose errors are {@link failWith}'s.
 *
 * @param hasPage the path has a page as well, which is declared elsewhere (`web/routes.ts`)
 */
export function addHistoricalRoute(
  scope: FastifyInstance,
  url: string,
  operations: HistoricalOperations,
  hasPage = false,
): void {
  const allowed: HTTPMethods[] = hasPage ? ['GET', 'HEAD'] : [];
  for (const [name, operation] of Object.entries(operations) as [
    keyof HistoricalOperations,
    HistoricalOperation,
  ][]) {
    const { handler, docs } = operation;
    const method = METHODS_OF[name];
    allowed.push(...method);
    scope.route({ method, url, handler, ...documented({ failure: 'envelope', ...docs }) });
  }
  const allow = allowed.join(', ');
  scope.route({
    method: METHODS.filter((method) => !allowed.includes(method)),
    url,
    handler: async (request, reply) =>
      fail(reply, new Problem(405, `${request.method} is not possible here`, { allow })),
    ...OWN,
  });
}
