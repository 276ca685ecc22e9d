/** What hub and clients agree on (docs/protocol.md): names, limits and shapes of JSON bodies. Pure. */
import { z } from 'zod';
import { CHUNK_ID_PATTERN } from './chunk-id.ts';
import { BATCH_COUNT_MAX, HUB_NAME, MISSING_COUNT_MAX } from './hub-limits.ts';

export * from './hub-limits.ts';

const id = z.string().regex(CHUNK_ID_PATTERN);

/** As `parseHubInfo` has it, for the hub's description of itself. */
export const hubInfo = z.object({
  hub: z.literal(HUB_NAME),
  version: z.number().int().positive(),
  features: z.array(z.string().max(64)).max(64),
});

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
