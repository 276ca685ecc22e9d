/**
 * What the keeper is given of each mount, as JSON: all that a successor needs and cannot find on this machine's
 * disk. With the credentials in store URLs; it never leaves memory.
 */
import { isAbsolute } from 'node:path';
import { CODES, type ErrorCode, G8Error } from '../../base/errors.ts';
import type { Image } from '../images.ts';
import type { MadeMount } from '../make-mount.ts';
import type { MountRequest } from '../mount-record.ts';
import { parseMountRequest } from '../requests.ts';

/** Raised when an older daemon could misread it. */
const VERSION = 1;

/** Why a mount could not be restored. */
export interface QuarantineReason {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface HeldMountState {
  readonly kind: 'mount';
  readonly request: MountRequest;
  /** Digest of the image. */
  readonly image: string;
  readonly tier: 'fuse' | 'kernel';
  /** Why the kernel tier was not taken although it was preferred. */
  readonly fallback?: string;
  /** Where the connection is mounted when an overlay is on top. */
  readonly lower?: string;
  /** ISO 8601. */
  readonly since: string;
  readonly quarantine?: QuarantineReason;
}

/** The connection that has the contents of all images of the kernel tier. */
export interface HeldObjectsState {
  readonly kind: 'objects';
}

export type HeldState = HeldMountState | HeldObjectsState;

/** The state of a mount that was just made. */
export function stateOf(
  request: MountRequest,
  image: Image,
  { session, lower, fallback }: MadeMount,
  since: Date,
): HeldMountState {
  return {
    kind: 'mount',
    request,
    image: image.digest,
    tier: session.tier,
    since: since.toISOString(),
    ...(fallback === undefined ? {} : { fallback }),
    ...(lower === undefined ? {} : { lower }),
  };
}

export function encodeState(state: HeldState): string {
  return JSON.stringify({ version: VERSION, ...state });
}

/** @throws ERR_PROTOCOL for what is no state of ours: cut, of another version, or wrong in any field */
export function decodeState(text: string): HeldState {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw wrong('text');
  }
  if (typeof value !== 'object' || value === null || value['version'] !== VERSION) {
    throw wrong('version');
  }
  if (value['kind'] === 'objects') return { kind: 'objects' };
  if (value['kind'] !== 'mount') throw wrong('kind');
  const { image, lower, since, tier, fallback, quarantine } = value;
  if (typeof image !== 'string' || !/^[0-9a-f]{64}$/.test(image)) throw wrong('image');
  if (lower !== undefined && !(typeof lower === 'string' && isAbsolute(lower)))
    throw wrong('lower');
  if (typeof since !== 'string' || Number.isNaN(Date.parse(since))) throw wrong('since');
  if (tier !== 'fuse' && tier !== 'kernel') throw wrong('tier');
  return {
    kind: 'mount',
    request: parseMountRequest(value['request']),
    image,
    tier,
    since,
    ...(typeof fallback === 'string' ? { fallback } : {}),
    ...(lower === undefined ? {} : { lower }),
    ...(quarantine === undefined ? {} : { quarantine: reason(quarantine) }),
  };
}

function reason(value: unknown): QuarantineReason {
  const { code, message } = (value ?? {}) as Partial<QuarantineReason>;
  if (typeof message !== 'string') throw wrong('quarantine');
  return {
    code: code !== undefined && Object.hasOwn(CODES, code) ? code : 'ERR_INTERNAL',
    message,
  };
}

function wrong(name: string): G8Error {
  return new G8Error('ERR_PROTOCOL', `Field ${name} of a held mount is not valid`);
}
