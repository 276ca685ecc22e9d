/**
 * What of the agreement between hub and clients needs no schema library: names, limits, and the first answer. A mount
 * fetches its first chunk with this alone. Shapes of all other bodies: `hub-protocol.ts`. Pure.
 */

/** Member `hub` of `GET /api/v1`: tells our hub from other servers with that path. */
export const HUB_NAME = 'g8ufs';
export const PROTOCOL_VERSION = 1;

/** Ids in one presence request: 670 KB of JSON. */
export const MISSING_COUNT_MAX = 10_000;
/** Chunks in one batch, either way. */
export const BATCH_COUNT_MAX = 256;
/** Bytes of one batch upload: twelve chunks of the largest size, or a full batch of common ones. */
export const UPLOAD_SIZE_MAX = 64 * 1024 * 1024;
/** Packages are kept in chunks of this size; the last one has the rest. */
export const PIECE_SIZE = 1024 * 1024;
/** JSON bodies: {@link MISSING_COUNT_MAX} ids of 64 digits with quotes and commas, and some air. */
export const JSON_SIZE_MAX = 1024 * 1024;

/** Answer to `GET /api/v1`. */
export interface HubInfo {
  readonly hub: typeof HUB_NAME;
  readonly version: number;
  readonly features: readonly string[];
}

const FEATURES_MAX = 64;
const FEATURE_LENGTH_MAX = 64;

/** The value as a hub's answer; `undefined` when it is none. Members that are not known are left out. */
export function parseHubInfo(value: unknown): HubInfo | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { hub, version, features } = value as Partial<Record<keyof HubInfo, unknown>>;
  if (hub !== HUB_NAME || !Number.isSafeInteger(version) || (version as number) < 1)
    return undefined;
  if (!Array.isArray(features) || features.length > FEATURES_MAX) return undefined;
  const isFeature = (name: unknown): name is string =>
    typeof name === 'string' && name.length <= FEATURE_LENGTH_MAX;
  if (!features.every(isFeature)) return undefined;
  return { hub, version: version as number, features };
}
