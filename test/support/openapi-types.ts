/** TypeScript types of an OpenAPI 3.1 document, in the form that openapi-fetch wants. Pure. */

type Json = Record<string, unknown>;

const HEAD = [
  '// Generated from the hub’s OpenAPI document: G8UFS_UPDATE_GOLDEN=1 with openapi.test.js writes it anew.',
  '',
];

interface Operation {
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: Json }[];
  readonly requestBody?: { readonly content: Record<string, { schema?: Json }> };
  readonly responses: Record<string, { content?: Record<string, { schema?: Json }> }>;
}

export interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Json> };
}

export function typesOf({ paths, components }: Document): string {
  const lines = [...HEAD, 'export interface paths {'];
  for (const [path, item] of Object.entries(paths)) {
    lines.push(`  ${JSON.stringify(path)}: {`);
    for (const [method, operation] of Object.entries(item)) {
      lines.push(`    ${method}: {`, ...operationLines(operation), '    };');
    }
    lines.push('  };');
  }
  lines.push('}', '', 'export interface components {', '  schemas: {');
  for (const [name, schema] of Object.entries(components.schemas)) {
    lines.push(`    ${name}: ${typeOf(schema)};`);
  }
  lines.push('  };', '}', '');
  return lines.join('\n');
}

function operationLines({ parameters = [], requestBody, responses }: Operation): string[] {
  const lines = ['      parameters: {'];
  for (const place of ['query', 'path'] as const) {
    const all = parameters.filter((parameter) => parameter.in === place);
    const members = all.map(
      ({ name, required, schema }) =>
        `${JSON.stringify(name)}${required ? '' : '?'}: ${typeOf(schema)}`,
    );
    const isOptional = all.every(({ required }) => !required);
    lines.push(
      members.length === 0
        ? `        ${place}?: never;`
        : `        ${place}${isOptional ? '?' : ''}: { ${members.join('; ')} };`,
    );
  }
  lines.push('        header?: never;', '        cookie?: never;', '      };');
  if (requestBody !== undefined) {
    lines.push(`      requestBody: { content: ${contentType(requestBody.content)} };`);
  }
  lines.push('      responses: {');
  for (const [status, { content }] of Object.entries(responses)) {
    const key = /^\d+$/.test(status) ? status : JSON.stringify(status);
    const body = content === undefined ? 'content?: never' : `content: ${contentType(content)}`;
    lines.push(`        ${key}: { headers: { [name: string]: unknown }; ${body} };`);
  }
  lines.push('      };');
  return lines;
}

function contentType(content: Record<string, { schema?: Json }>): string {
  const members = Object.entries(content).map(
    ([type, { schema }]) => `${JSON.stringify(type)}: ${schema ? typeOf(schema) : 'unknown'}`,
  );
  return `{ ${members.join('; ')} }`;
}

function typeOf(schema: Json): string {
  const { $ref, anyOf, oneOf, allOf, type, properties, prefixItems, items } = schema;
  if (typeof $ref === 'string') return `components['schemas']['${$ref.split('/').at(-1)}']`;
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['enum']))
    return schema['enum'].map((v) => JSON.stringify(v)).join(' | ');
  const union = (anyOf ?? oneOf) as Json[] | undefined;
  if (union !== undefined) return union.map((one) => `(${typeOf(one)})`).join(' | ');
  if (Array.isArray(allOf)) return (allOf as Json[]).map((one) => `(${typeOf(one)})`).join(' & ');
  switch (type) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return type;
    case 'integer':
      return 'number';
    case 'array':
      if (Array.isArray(prefixItems)) return `[${(prefixItems as Json[]).map(typeOf).join(', ')}]`;
      return `(${items === undefined ? 'unknown' : typeOf(items as Json)})[]`;
    case 'object':
      return objectType(schema, (properties ?? {}) as Record<string, Json>);
    default:
      return 'unknown';
  }
}

function objectType(schema: Json, properties: Record<string, Json>): string {
  const required = new Set((schema['required'] as string[] | undefined) ?? []);
  const members = Object.entries(properties).map(
    ([name, member]) =>
      `${JSON.stringify(name)}${required.has(name) ? '' : '?'}: ${typeOf(member)}`,
  );
  const more = schema['additionalProperties'];
  if (members.length === 0) {
    const value = typeof more === 'object' && more !== null ? typeOf(more as Json) : 'unknown';
    return `{ [name: string]: ${value} }`;
  }
  return `{ ${members.join('; ')} }`;
}
