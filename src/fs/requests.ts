/** Checks the parameters of control requests: what arrives on the socket is input like any other. */
import { isAbsolute } from 'node:path';
import { G8Error } from '../base/errors.ts';
import { QUOTA_BYTES_MIN } from '../config/cache-quotas.ts';
import type { MountRequest, StackRequest } from './mount-record.ts';
import type { PrefetchRequest } from './prefetch.ts';

/** Deadlines a mount accepts: below, no network answers; above, a reader might as well hang. */
const DEADLINE_MS_MIN = 100;
const DEADLINE_MS_MAX = 3_600_000;
const STORES_MAX = 64;
const KEYS_MAX = 64;
/** Bytes per second; below, one chunk would take minutes. */
export const RATE_BYTES_MIN = 4096;

type Fields = Readonly<Record<string, unknown>>;

/** @throws ERR_PROTOCOL naming the field that is wrong */
export function parseMountRequest(params: unknown): MountRequest {
  const fields = asFields(params);
  const source = parseSource(fields);
  const stores = fields['stores'];
  if (!Array.isArray(stores) || stores.length > STORES_MAX) throw wrong('stores');
  const deadlineMs = fields['deadlineMs'];
  if (typeof deadlineMs !== 'number' || !Number.isInteger(deadlineMs)) throw wrong('deadlineMs');
  if (deadlineMs < DEADLINE_MS_MIN || deadlineMs > DEADLINE_MS_MAX) throw wrong('deadlineMs');
  return {
    source,
    mountPoint: path(fields, 'mountPoint'),
    stores: stores.map((url: unknown) => {
      if (typeof url !== 'string') throw wrong('stores');
      return url;
    }),
    deadlineMs,
    openMode: oneOf(fields, 'openMode', ['auto', 'passthrough', 'none']),
    tier: fields['tier'] === undefined ? 'fuse' : oneOf(fields, 'tier', ['fuse', 'kernel', 'auto']),
    driver: oneOf(fields, 'driver', ['native', 'fuse-native']),
    allowOther: flag(fields, 'allowOther'),
    ...(flag(fields, 'magicXattrs') ? { magicXattrs: true } : {}),
    ...(fields['requireSignature'] === undefined ? {} : { requireSignature: keys(fields) }),
    ...(fields['upper'] === undefined ? {} : { upper: path(fields, 'upper') }),
    ...(fields['work'] === undefined ? {} : { work: path(fields, 'work') }),
    ...(fields['prefetch'] === undefined ? {} : { prefetch: prefetch(fields['prefetch']) }),
    ...(fields['onto'] === undefined ? {} : { onto: onto(fields['onto']) }),
    ...(fields['record'] === undefined ? {} : { record: path(fields, 'record') }),
    ...(fields['cacheQuota'] === undefined ? {} : { cacheQuota: quota(fields) }),
    ...(fields['quotaGroup'] === undefined ? {} : { quotaGroup: text(fields, 'quotaGroup') }),
  };
}

function onto(value: unknown): StackRequest {
  const fields = asFields(value);
  return {
    mountPoint: path(fields, 'mountPoint'),
    flist: path(fields, 'flist'),
    ...(fields['source'] === undefined ? {} : { source: text(fields, 'source') }),
  };
}

function prefetch(value: unknown): PrefetchRequest {
  const fields = asFields(value);
  const { profile, rateBytes } = fields;
  if (profile !== undefined) {
    const place = text(fields, 'profile');
    if (!isAbsolute(place) && !isHttpUrl(place)) throw wrong('profile');
  }
  const isRate = Number.isSafeInteger(rateBytes) && (rateBytes as number) >= RATE_BYTES_MIN;
  if (rateBytes !== undefined && !isRate) throw wrong('rateBytes');
  return {
    mode: oneOf(fields, 'mode', ['profile', 'all']),
    ...(profile === undefined ? {} : { profile: profile as string }),
    ...(rateBytes === undefined ? {} : { rateBytes: rateBytes as number }),
  };
}

function quota(fields: Fields): number {
  const bytes = fields['cacheQuota'];
  if (Number.isSafeInteger(bytes) && (bytes as number) >= QUOTA_BYTES_MIN) return bytes as number;
  throw wrong('cacheQuota');
}

/** A source that will be mounted. @throws ERR_PROTOCOL */
export function parseSource(params: unknown): string {
  const source = text(asFields(params), 'source');
  if (!isAbsolute(source) && !isHttpUrl(source)) throw wrong('source');
  return source;
}

/** @throws ERR_PROTOCOL */
export function parseMountPoint(params: unknown): string {
  return path(asFields(params), 'mountPoint');
}

/** @throws ERR_PROTOCOL naming the field that is wrong */
export function parseUnmountRequest(params: unknown): { mountPoint: string; lazy: boolean } {
  const fields = asFields(params);
  return { mountPoint: path(fields, 'mountPoint'), lazy: flag(fields, 'lazy') };
}

/** @throws ERR_PROTOCOL naming the field that is wrong */
export function parseVerifyRequest(params: unknown): { repair: boolean } {
  return { repair: flag(asFields(params ?? {}), 'repair') };
}

/** @throws ERR_PROTOCOL naming the field that is wrong */
export function parseTraceRequest(params: unknown): {
  mountPoint: string;
  after: number | undefined;
} {
  const fields = asFields(params);
  const after = fields['after'];
  if (after !== undefined && !(Number.isSafeInteger(after) && (after as number) >= 0)) {
    throw wrong('after');
  }
  return { mountPoint: path(fields, 'mountPoint'), after: after as number | undefined };
}

/** Raw Ed25519 keys in Base64. An empty list would ask for nothing, and look as if it did. */
function keys(fields: Fields): string[] {
  const list = fields['requireSignature'];
  const isKey = (key: unknown): boolean =>
    typeof key === 'string' && /^[A-Za-z0-9+/]{43}=$/.test(key);
  const isSound =
    Array.isArray(list) && list.length > 0 && list.length <= KEYS_MAX && list.every(isKey);
  if (!isSound) throw wrong('requireSignature');
  return list as string[];
}

function asFields(params: unknown): Fields {
  if (typeof params !== 'object' || params === null) throw wrong('params');
  return params as Fields;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw wrong(name);
  return value;
}

function path(fields: Fields, name: string): string {
  const value = text(fields, name);
  if (!isAbsolute(value)) throw wrong(name);
  return value;
}

function isHttpUrl(value: string): boolean {
  return /^https?:\/\//.test(value) && URL.canParse(value);
}

/** Absent means false. */
function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value !== 'boolean') throw wrong(name);
  return value;
}

function oneOf<T extends string>(fields: Fields, name: string, values: readonly T[]): T {
  const value = values.find((candidate) => candidate === fields[name]);
  if (value === undefined) throw wrong(name);
  return value;
}

function wrong(name: string): G8Error {
  return new G8Error('ERR_PROTOCOL', `Field ${name} of the request is not valid`);
}
