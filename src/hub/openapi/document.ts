/**
 * The OpenAPI 3.1 document of a hub, from what its routes say of themselves: the schemas in it are those that
 * requests are checked with. Pure.
 */
import { z } from 'zod';
import { failure } from '../historical/schemas.ts';
import { type AnswerDocs, type OperationDocs, TAGS } from '../operation.ts';
import { describeParameter } from './parameters.ts';
import { problem } from './problem-schema.ts';

type JsonObject = Record<string, unknown>;

/** A route with its description. */
export interface DocumentedRoute {
  /** With parameters as `:name`. */
  readonly url: string;
  readonly methods: readonly string[];
  readonly docs: OperationDocs;
}

/** Methods that are another one without its body. */
const IMPLIED = ['HEAD'];
const DEFINITIONS = '#/$defs/';
const COMPONENTS = '#/components/schemas/';

/** @param server URL of the hub as clients see it */
export function openApiDocument(routes: readonly DocumentedRoute[], server: string): JsonObject {
  const schemas = new Schemas();
  const paths = new Map<string, JsonObject>();
  for (const { url, methods, docs } of routes) {
    const path = url.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}');
    const item = paths.get(path) ?? {};
    paths.set(path, item);
    const shown = methods.filter((method) => !IMPLIED.includes(method));
    for (const [i, method] of shown.entries()) {
      // Old clients change things by GET; the same by another method needs a name of its own.
      const id = i === 0 ? docs.id : `${docs.id}By${method[0]}${method.slice(1).toLowerCase()}`;
      item[method.toLowerCase()] = operationOf(schemas, path, docs, id);
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'g8ufs hub',
      version: '1',
      summary: 'Flists and chunks over HTTP',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: server }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries([...paths].sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas: schemas.all(),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operationOf(
  schemas: Schemas,
  path: string,
  docs: OperationDocs,
  operationId: string,
): JsonObject {
  const { tag, summary, query, json, body, answers, isProtected = false } = docs;
  const parameters = [...pathParameters(path), ...queryParameters(schemas, query)];
  const content =
    json !== undefined
      ? { 'application/json': { schema: schemas.add(json, 'input') } }
      : body !== undefined && {
          [body.type]: { schema: body.schema ? schemas.add(body.schema, 'input') : {} },
        };
  return {
    operationId,
    tags: [tag],
    summary,
    security: isProtected ? [{ bearer: [] }] : [{}, { bearer: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(content && { requestBody: { required: true, content } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [
          status,
          responseOf(schemas, withFailure(Number(status), answer, docs)),
        ]),
      ),
      '4XX': responseOf(
        schemas,
        withFailure(400, { text: 'What is wrong with the request' }, docs),
      ),
      '5XX': responseOf(schemas, withFailure(500, { text: 'The hub failed' }, docs)),
    },
  };
}

/** Failures have a shape of their own unless the route says otherwise. */
function withFailure(status: number, answer: AnswerDocs, docs: OperationDocs): AnswerDocs {
  if (status < 400 || answer.schema !== undefined || answer.type !== undefined) return answer;
  return docs.failure === 'envelope'
    ? { ...answer, schema: failure }
    : { ...answer, schema: problem, type: 'application/problem+json' };
}

function responseOf(schemas: Schemas, { text, type, schema }: AnswerDocs): JsonObject {
  if (schema === undefined && type === undefined) return { description: text };
  const media = schema === undefined ? {} : { schema: schemas.add(schema, 'output') };
  return { description: text, content: { [type ?? 'application/json']: media } };
}

function pathParameters(path: string): JsonObject[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...describeParameter(name),
  }));
}

function queryParameters(schemas: Schemas, query: z.ZodObject | undefined): JsonObject[] {
  if (query === undefined) return [];
  return Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !(schema as z.ZodType).safeParse(undefined).success,
    schema: schemas.add(schema as z.ZodType, 'output'),
  }));
}

/** Schemas as JSON Schema; those with a name are components. */
class Schemas {
  readonly #components = new Map<string, JsonObject>();

  add(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
    const json = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonObject;
    const { $schema: _dialect, $defs = {}, ...root } = json;
    for (const [name, definition] of Object.entries($defs as Record<string, JsonObject>)) {
      this.#keep(name, definition);
    }
    const name = schema.meta()?.id;
    if (name === undefined) return relocated(root) as JsonObject;
    // A root with a name comes as a reference to its own definition, which is kept already.
    if (root['$ref'] === undefined) this.#keep(name, root);
    return { $ref: `${COMPONENTS}${name}` };
  }

  all(): JsonObject {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #keep(name: string, { id: _name, ...schema }: JsonObject): void {
    this.#components.set(name, relocated(schema) as JsonObject);
  }
}

/** References to definitions beside a schema as references to components. */
function relocated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocated);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === '$ref' && typeof member === 'string'
        ? member.replace(DEFINITIONS, COMPONENTS)
        : relocated(member),
    ]),
  );
}
