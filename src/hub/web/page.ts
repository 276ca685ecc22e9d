/** How pages are declared: a path with what answers it, in the frame and with the headers that all have. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { OWN } from '../operation.ts';
import { Problem, problemOf } from '../problem.ts';
import { addRoute, type HubContext } from '../route.ts';
import type { Assets } from './assets.ts';
import { protectPage } from './headers.ts';
import { html } from './html.ts';
import { frame, type Page } from './layout.ts';
import type { Visit } from './visit.ts';

/** A page, or a reply that is sent already. */
export type PageHandler = (visit: Visit) => Promise<Page | FastifyReply>;

export class Pages {
  readonly #app: FastifyInstance;
  readonly #context: HubContext;
  readonly #assets: Assets;

  /** @param app a scope of its own: its failures are answered as pages */
  constructor(app: FastifyInstance, context: HubContext, assets: Assets) {
    this.#app = app;
    this.#context = context;
    this.#assets = assets;
    app.setErrorHandler((error, request, reply) => this.#sendProblem(error, request, reply));
  }

  add(url: string, handlers: { get?: PageHandler; post?: PageHandler }): void {
    const { get, post } = handlers;
    addRoute(this.#app, url, {
      ...(get && { get: (request, reply) => this.#answer(get, request, reply) }),
      ...(post && { post: (request, reply) => this.#answer(post, request, reply) }),
    });
  }

  /** A page at a path whose other methods are declared elsewhere. */
  addBeside(url: string, get: PageHandler): void {
    const handler = (request: FastifyRequest, reply: FastifyReply) =>
      this.#answer(get, request, reply);
    this.#app.route({ method: ['GET', 'HEAD'], url, handler, ...OWN });
  }

  async #answer(
    handler: PageHandler,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const identity = await this.#context.access.identify(request);
    const visit = { context: this.#context, request, reply, identity };
    protectPage(reply);
    const answer = await handler(visit);
    return 'body' in answer ? this.#send(visit, answer) : answer;
  }

  async #sendProblem(
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { status, message, headers } = problemOf(error);
    if (status >= 500) request.log.error({ err: error }, 'request failed');
    const identity = await this.#context.access
      .identify(request)
      .catch(() => ({ isAdmin: false, scope: 'read', via: 'anonymous' }) as const);
    protectPage(reply);
    reply.headers(headers);
    const title = TITLES[status] ?? (status >= 500 ? 'Something failed' : 'This did not work');
    const body = html`
      <div class="notice" role="alert">
        <p class="notice-status">${status}</p>
        <h1>${title}</h1>
        <p>${message}.</p>
        ${status >= 500 && html`<p class="dim">Request <code>${request.id}</code> is in the hub’s log.</p>`}
        ${status === 401 && html`<p><a href="/login">Log in</a></p>`}
      </div>`;
    return this.#send(
      { context: this.#context, request, reply, identity },
      { title, body, status },
    );
  }

  #send(visit: Visit, page: Page): FastifyReply {
    const { reply } = visit;
    reply.code(page.status ?? 200).type('text/html; charset=utf-8');
    return reply.send(frame(visit, page, this.#assets));
  }
}

const TITLES: Readonly<Record<number, string>> = {
  401: 'Log in first',
  403: 'Not allowed',
  404: 'Not here',
  501: 'Not on this hub',
};

/** Sends a browser on after a form was taken. */
export function redirect({ reply }: Visit, to: string): FastifyReply {
  return reply.code(303).header('location', to).send();
}

/** @throws Problem 401 for whoever is not logged in */
export function requireUser({ identity }: Visit): string {
  if (identity.user === undefined) throw new Problem(401, 'This is for users of the hub');
  return identity.user;
}
