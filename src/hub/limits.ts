/** Bounds of a hub; each can be set by option. */
import { FLIST_SIZE_MAX } from '../store/flist-transfer.ts';

export interface HubLimits {
  /** Bytes of an uploaded flist. */
  readonly flistSizeMax: number;
  /** Bytes of a flist's records, which are read into memory. */
  readonly recordsSizeMax: number;
  /** Bytes of an uploaded archive, as it comes. */
  readonly archiveSizeMax: number;
  /** Bytes that an archive, or a layer of an image, may unpack to. */
  readonly archiveUnpackedSizeMax: number;
  /** How many times an archive may grow when it is unpacked. */
  readonly archiveRatioMax: number;
  /** Bytes to which an archive may unpack however small it is: those of zeros are usual and harm nobody. */
  readonly archiveFreeSize: number;
  /** Entries of an archive. */
  readonly archiveEntryCountMax: number;
  /** Archives and images that are made into flists at one time; more are answered 503. */
  readonly conversionCountMax: number;
  /** Bytes of one batch answer; ids beyond it come with an error and are asked again. */
  readonly batchSizeMax: number;
  /** Chunk uploads at one time, each of which holds a chunk in memory; more are answered 503. */
  readonly uploadCountMax: number;
  /** Wrong credentials from one address in a minute; then 429 to all it sends with credentials. */
  readonly failureCountMax: number;
  /** Requests in a minute from one address, and of one user; then 429. 0: any number. */
  readonly requestCountMax: number;
  /** Lines that the audit log keeps. */
  readonly auditCountMax: number;
  /** How old they become. */
  readonly auditAgeMsMax: number;
  /** Connections at one time; more are closed at once. */
  readonly connectionCountMax: number;
  /** A connection without traffic within a request is closed after this. */
  readonly idleMs: number;
  /** A chunk or JSON body must have come within this. */
  readonly bodyMs: number;
  /** Whole time a request, such as a flist upload, may take to come in. */
  readonly requestMs: number;
  /** Requests that still run this long after `close()` began are cut. */
  readonly shutdownMs: number;
}

export const DEFAULT_LIMITS: HubLimits = {
  flistSizeMax: FLIST_SIZE_MAX,
  recordsSizeMax: 512 * 1024 * 1024,
  archiveSizeMax: 16 * 1024 ** 3,
  archiveUnpackedSizeMax: 64 * 1024 ** 3,
  // gzip reaches 1032; trees of files stay below 100.
  archiveRatioMax: 200,
  archiveFreeSize: 64 * 1024 * 1024,
  archiveEntryCountMax: 2_000_000,
  conversionCountMax: 4,
  batchSizeMax: 256 * 1024 * 1024,
  uploadCountMax: 32,
  failureCountMax: 30,
  // A mount that reads 512 KiB at a time one by one gets 500 MB/s by this.
  requestCountMax: 60_000,
  auditCountMax: 1_000_000,
  auditAgeMsMax: 365 * 86_400_000,
  connectionCountMax: 1024,
  idleMs: 60_000,
  bodyMs: 60_000,
  requestMs: 3_600_000,
  shutdownMs: 10_000,
};

/** Request line and headers: four times the longest legal path with its credentials. */
export const HEADER_SIZE_MAX = 16 * 1024;
