/**
 * What a route says of itself: one description checks requests and becomes the OpenAPI document
 * (`openapi.ts`), so that neither can lag behind the other.
 */
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { Problem } from './problem.ts';

export const TAGS = {
  hub: 'State of the hub and its documents',
  chunks: 'Chunks by id: reads, presence, uploads, batches',
  flists: 'Flists of repositories',
  files: 'What old clients call: listings and contents of flists, and files beside them',
  me: 'What old clients call: the own repository',
  blocks: 'Chunks as the newer historical server names them',
  images: 'Conversion of registry images',
  access: 'Users, tokens, repositories',
} as const;

/** An answer: its media type and the shape of its JSON. */
export interface AnswerDocs {
  readonly text: string;
  /** Default `application/json` when there is a schema. */
  readonly type?: string;
  readonly schema?: z.ZodType;
}

export interface OperationDocs {
  /** Unique; generated clients name their functions by it. */
  readonly id: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  /** Parameters of the query; checked. */
  readonly query?: z.ZodObject;
  /** A JSON body; checked. */
  readonly json?: z.ZodType;
  /** Any other body. */
  readonly body?: { readonly type: string; readonly schema?: z.ZodType };
  readonly answers: Readonly<Record<number, AnswerDocs>>;
  /** Whether the caller has to say who he is, unless the hub takes writes from anyone. */
  readonly isProtected?: boolean;
  /** How failures look; default problem documents. */
  readonly failure?: 'problem' | 'envelope';
}

declare module 'fastify' {
  interface FastifyContextConfig {
    docs?: OperationDocs;
    /** Answers for methods that a path does not have, and the like: nothing to document. */
    isOwn?: boolean;
  }
}

/** Options of a route that is no operation. */
export const OWN: { readonly config: { readonly isOwn: true } } = { config: { isOwn: true } };

interface RouteOptions {
  readonly config?: { readonly docs: OperationDocs };
  readonly schema?: { readonly querystring?: z.ZodType; readonly body?: z.ZodType };
}

/** Options of a route with a description. */
export function documented(docs: OperationDocs | undefined): RouteOptions {
  if (docs === undefined) return {};
  const { query, json } = docs;
  return {
    config: { docs },
    schema: { ...(query && { querystring: query }), ...(json && { body: json }) },
  };
}

const PARTS: Readonly<Record<string, string>> = { querystring: 'query', body: 'body' };

/** Makes routes check what their descriptions say. */
export function checkRequests(app: FastifyInstance): void {
  app.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => (data: unknown) => {
    const parsed = schema.safeParse(data);
    if (parsed.success) return { value: parsed.data };
    const place = parsed.error.issues[0]?.path.join('.') || 'root';
    const part = PARTS[httpPart ?? ''] ?? httpPart;
    return { error: new Problem(400, `The ${part} has an invalid ${place}`) };
  });
}
