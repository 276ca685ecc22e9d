/** Requests to an S3 server: paths, signatures of version 4, and what its documents say. */
import { createHash } from 'node:crypto';
import type { sign as Sign } from 'aws4';
import { G8Error } from '../base/errors.ts';
import type { S3Target } from './s3-target.ts';

/** SHA-256 of nothing. */
const EMPTY_DIGEST = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Encoded, with its query. */
  readonly path: string;
  readonly body?: Uint8Array;
  /** `20130524T000000Z`; default now. */
  readonly date?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The headers that a request is sent with; signed when the target has keys. */
export async function s3Headers(
  target: Pick<S3Target, 'endpoint' | 'region' | 'credentials'>,
  request: S3Request,
): Promise<Record<string, string>> {
  const { body, date } = request;
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256':
      body === undefined ? EMPTY_DIGEST : createHash('sha256').update(body).digest('hex'),
    ...(date !== undefined && { 'x-amz-date': date }),
  };
  const { credentials } = target;
  if (credentials === undefined) return headers;
  const { sessionToken, ...keys } = credentials;
  const { sign } = (await import('aws4')).default as unknown as { sign: typeof Sign };
  const signed = sign(
    {
      service: 's3',
      region: target.region,
      method: request.method,
      host: new URL(target.endpoint).host,
      path: request.path,
      headers: { ...headers },
    },
    { ...keys, ...(sessionToken !== undefined && { sessionToken }) },
  );
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(signed.headers ?? {})) {
    all[name.toLowerCase()] = String(value);
  }
  return all;
}

/** Path of an object, or of the bucket when `key` is empty. */
export function s3Path(target: S3Target, key: string, query: Record<string, string> = {}): string {
  const path = key.split('/').map(encode).join('/');
  // Sorted by name, as they are signed.
  const pairs = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  return `/${encode(target.bucket)}${key === '' ? '' : `/${path}`}${text === '' ? '' : `?${text}`}`;
}

/** RFC 3986: `encodeURIComponent` leaves a few characters that a signature wants encoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export interface S3Listing {
  readonly keys: readonly string[];
  /** Where the next page begins; `undefined` behind the last. */
  readonly next: string | undefined;
}

/** Reads a page of `ListObjectsV2`. @throws ERR_PROTOCOL */
export async function parseListing(xml: Uint8Array, name: string): Promise<S3Listing> {
  const problem = () => new G8Error('ERR_PROTOCOL', `Listing of ${name} is none`);
  const result = (await parseXml(xml))?.['ListBucketResult'];
  if (typeof result !== 'object' || result === null) throw problem();
  const { Contents = [], IsTruncated, NextContinuationToken } = result as Record<string, unknown>;
  const keys = (Array.isArray(Contents) ? Contents : [Contents]).map(
    (entry) => (entry as { Key?: unknown } | null)?.Key,
  );
  if (!keys.every((key) => typeof key === 'string')) throw problem();
  if (IsTruncated !== 'true') return { keys, next: undefined };
  if (typeof NextContinuationToken !== 'string' || NextContinuationToken === '') throw problem();
  return { keys, next: NextContinuationToken };
}

/** The `Code` of an error document, such as `NoSuchBucket`; empty when it is none. */
export async function parseErrorCode(xml: Uint8Array): Promise<string> {
  const { Code } = ((await parseXml(xml))?.['Error'] ?? {}) as { Code?: unknown };
  return typeof Code === 'string' ? Code : '';
}

async function parseXml(xml: Uint8Array): Promise<Record<string, unknown> | undefined> {
  const { XMLParser } = await import('fast-xml-parser');
  // Every value stays the text that it is: a key of digits is no number.
  const parser = new XMLParser({ parseTagValue: false, ignoreDeclaration: true });
  try {
    return parser.parse(Buffer.from(xml).toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
