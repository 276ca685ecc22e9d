/** JSON documents of images: parsed, checked against a schema, failures as one line. Pure. */
import type { z } from 'zod';
import { malformedImage, showText } from './malformed.ts';

/** What registries take for a manifest; configurations stay far below. */
export const DOCUMENT_SIZE_MAX = 4 * 1024 * 1024;

/**
 * Reads a document.
 *
 * @param what subject of the message
 * @throws ERR_FLIST_FORMAT when it is too large, no JSON, or breaks the schema
 */
export function parseDocument<T>(bytes: Uint8Array, schema: z.ZodType<T>, what: string): T {
  return checkDocument(parseJson(bytes, what), schema, what);
}

/** @throws ERR_FLIST_FORMAT when it is too large or no JSON in UTF-8 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > DOCUMENT_SIZE_MAX) {
    throw malformedImage(`${what} is larger than ${DOCUMENT_SIZE_MAX} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformedImage(`${what} is no JSON`, error);
  }
}

/** @throws ERR_FLIST_FORMAT naming the first field that is wrong */
export function checkDocument<T>(value: unknown, schema: z.ZodType<T>, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.map(String).join('.') ?? '';
  const reason = issue?.message.replace(/\s+/g, ' ') ?? 'invalid';
  throw malformedImage(`${what} has a wrong ${showText(field) || 'form'}: ${showText(reason)}`);
}
