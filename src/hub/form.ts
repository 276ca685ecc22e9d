/** HTML forms as requests bring them: fields in memory, one file on disk, all of it bounded. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import type { FastifyRequest } from 'fastify';
import { toG8Error } from '../base/errors.ts';
import { assertStatedSize, bodyStream, bounded, tooLarge } from './body.ts';
import { Problem } from './problem.ts';

const FIELD_COUNT_MAX = 200;
const FIELD_SIZE_MAX = 256 * 1024;
/** Of all fields, with what separates them. */
const FIELDS_SIZE_MAX = 4 * 1024 * 1024;
const PART_HEADERS_MAX = 32;

export interface FormFile {
  /** Field that the file is to be in; others are skipped. */
  readonly field: string;
  /** Where it is written. Whoever calls removes it, also when this throws. */
  readonly path: string;
  readonly sizeMax: number;
}

export interface Form {
  /** The first value of each name, and all of them. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** As the client names it, without folders; `undefined` when there was no such file. */
  readonly fileName: string | undefined;
}

/** Whether the body is a form with parts. */
export function isMultipart(request: FastifyRequest): boolean {
  return /^multipart\/form-data\s*;/i.test(request.headers['content-type'] ?? '');
}

/**
 * Reads a form of either kind.
 *
 * @throws Problem 400 when it is malformed, 413 when it is too large, 408 after `timeoutMs`, 415 for what is no form
 */
export async function readForm(
  request: FastifyRequest,
  options: { readonly timeoutMs: number; readonly file?: FormFile },
): Promise<Form> {
  const { timeoutMs, file } = options;
  const sizeMax = (file?.sizeMax ?? 0) + FIELDS_SIZE_MAX;
  assertStatedSize(request, sizeMax);
  const source = bounded(bodyStream(request), sizeMax, timeoutMs);
  if (isMultipart(request)) return await readParts(request, source, file);
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Problem(415, 'The body must be a form');
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  const fields = new Map<string, string[]>();
  const all = new URLSearchParams(Buffer.concat(pieces).toString());
  for (const [name, value] of all) addField(fields, name, value);
  return { fields, fileName: undefined };
}

async function readParts(
  request: FastifyRequest,
  source: AsyncIterable<Uint8Array>,
  file: FormFile | undefined,
): Promise<Form> {
  const fields = new Map<string, string[]>();
  const controller = new AbortController();
  const { signal } = controller;
  let failure: unknown;
  let fileName: string | undefined;
  let writing: Promise<void> | undefined;
  const refuse = (error: unknown): void => {
    failure ??= error;
    controller.abort();
  };
  const parser = openParser(request, file?.sizeMax ?? 0);
  parser.on('field', (name, value, _nameTruncated, valueTruncated) => {
    if (valueTruncated) refuse(new Problem(413, `The field ${name} is too large`));
    else addField(fields, name, value);
  });
  for (const event of ['fieldsLimit', 'filesLimit', 'partsLimit'] as const) {
    parser.on(event, () => refuse(new Problem(413, 'The form has too many parts')));
  }
  parser.on('file', (field, stream, name) => {
    if (file === undefined || field !== file.field || writing !== undefined) {
      stream.resume();
      return;
    }
    fileName = name ?? '';
    stream.on('limit', () => refuse(tooLarge(file.sizeMax)));
    const target = createWriteStream(file.path, { flags: 'wx', mode: 0o600 });
    writing = pipeline(stream, target, { signal }).catch((error: unknown) => {
      refuse(toG8Error(error, 'ERR_IO', 'The upload cannot be kept'));
    });
  });
  try {
    await pipeline(Readable.from(source), parser, { signal });
  } catch (error) {
    failure ??= isOwn(error) ? error : new Problem(400, 'The form is malformed');
    controller.abort();
  }
  await writing;
  if (failure !== undefined) throw failure;
  return { fields, fileName };
}

function openParser(request: FastifyRequest, sizeMax: number): BusboyInstance {
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: {
        fields: FIELD_COUNT_MAX,
        fieldSize: FIELD_SIZE_MAX,
        parts: FIELD_COUNT_MAX + 1,
        fileSize: sizeMax,
        headerPairs: PART_HEADERS_MAX,
      },
    });
  } catch {
    throw new Problem(400, 'The form is malformed');
  }
}

function isOwn(error: unknown): boolean {
  return error instanceof Problem || (error as { code?: string }).code === 'ECONNRESET';
}

function addField(fields: Map<string, string[]>, name: string, value: string): void {
  const values = fields.get(name);
  if (values !== undefined) values.push(value);
  else fields.set(name, [value]);
}
