/** What hub and clients agree on (docs/protocol.md): names, limits and shapes of JSON bodies. Pure. */
import { z } from 'zod';
import { CHUNK_ID_PATTERN } from './chunk-id.ts';

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

const id = z.string().regex(CHUNK_ID_PATTERN);

export const hubInfo = z.object({
  hub: z.literal(HUB_NAME),
  version: z.number().int().positive(),
  features: z.array(z.string().max(64)).max(64),
});
export type HubInfo = z.infer<typeof hubInfo>;

export const missingRequest = z.object({ ids: z.array(id).max(MISSING_COUNT_MAX) });
export const missingResponse = z.object({ missing: z.array(id).max(MISSING_COUNT_MAX) });
export const batchRequest = z.object({ ids: z.array(id).max(BATCH_COUNT_MAX) });

/** Outcome of one chunk of a batch upload. */
export const uploadStatus = z.enum(['new', 'known', 'mismatch', 'error']);
export const uploadResponse = z.object({
  results: z.array(z.object({ id, status: uploadStatus })).max(BATCH_COUNT_MAX),
});
export type UploadStatus = z.infer<typeof uploadStatus>;

/** A flist as the hub lists it; `updated` is an ISO 8601 time. */
export const flistEntry = z.object({
  repository: z.string().max(255),
  name: z.string().max(255),
  size: z.number().int().nonnegative(),
  updated: z.string().max(64),
});
export type FlistEntry = z.infer<typeof flistEntry>;

/** Entries of one page of the flist listing. */
export const LIST_COUNT_MAX = 1000;
export const listResponse = z.object({
  flists: z.array(flistEntry).max(LIST_COUNT_MAX),
  next: z.string().max(512).optional(),
});

/** Answer to a flist upload: `md5` is its public identity, `digest` its BLAKE2b-256, both in hex. */
export const flistReceipt = z.object({
  repository: z.string().max(255),
  name: z.string().max(255),
  size: z.number().int().nonnegative(),
  md5: z.string().regex(/^[0-9a-f]{32}$/),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});
/** A flist out of what the hub has: pieces of its package that were uploaded as chunks, or another name's. */
export const presentFlist = z.union([
  z.strictObject({
    pieces: z.array(id).min(1).max(MISSING_COUNT_MAX),
    size: z.number().int().min(1),
  }),
  z.strictObject({ from: z.string().max(512) }),
]);
export type PresentFlist = z.infer<typeof presentFlist>;

/** A link of a tag: the flist, `<repository>/<name>`, that it leads to. */
export const tagRequest = z.strictObject({ from: z.string().max(512) });

export type FlistReceipt = z.infer<typeof flistReceipt>;
