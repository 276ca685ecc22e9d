/** What a mount daemon is started with. */
import type { QuotaRule } from '../config/cache-quotas.ts';
import type { Policy } from './admission.ts';
import type { Logger } from './log.ts';
import type { SLOW_READ_MS } from './slow-reads.ts';
import type { EarlySessions } from './takeover/early-sessions.ts';
import type { Successor } from './takeover/keeper.ts';

export interface DaemonOptions {
  readonly cacheDir: string;
  readonly registryDir: string;
  readonly sizeMaxBytes?: number;
  readonly freeFloorBytes?: number;
  /** Verify the cache in the background at this rate; default 0, not at all. */
  readonly scrubBytesPerSecond?: number;
  readonly log: Logger;
  /** Version of the program, for the metrics. */
  readonly version: string;
  /** A read that waits this long is told of in the log; default {@link SLOW_READ_MS}. */
  readonly slowReadMs?: number;
  /** The administrator's rules for what may be mounted. */
  readonly policy?: Policy;
  /** And for what images may take of the cache whose mount says nothing; default no bounds. */
  readonly quotaRules?: readonly QuotaRule[] | undefined;
  /** Where to serve metrics over HTTP; default nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
  /** How a successor is started when this process dies; absent: its mounts end with it. */
  readonly successor?: Successor;
  /** As many successors are loaded beforehand and wait while there are mounts; default 1. */
  readonly standbys?: number;
  /** The flags it was started with, for a daemon that replaces it. */
  readonly flags?: readonly string[];
  /** What is served already of a predecessor's mounts. */
  readonly early?: EarlySessions | undefined;
  /** Called when the last mount is gone. */
  readonly onEmpty: () => void;
}
