import type { CodecBinding } from '../native/addon.ts';
import type { HealthEvent } from './health.ts';
import type { Residency } from './residency.ts';

export interface StandsIn {
  /** Why the other cache cannot be used. */
  readonly message: string;
  /** Tries the other cache; throws what its disk says. */
  readonly probe: () => Promise<void>;
  /** Called when it can be used again. */
  readonly restore: () => Promise<void>;
  /** Its disk does not answer. */
  readonly isDiskAway: () => boolean;
}

export interface CacheOptions {
  readonly dir: string;
  readonly addon: CodecBinding;
  /** Default: a tenth of the file system, 20 GiB at most. */
  readonly sizeMaxBytes?: number | undefined;
  /** Default: a twentieth of the file system, 1 GiB at most. */
  readonly freeFloorBytes?: number | undefined;
  /** Default: {@link NO_RESIDENCY}. */
  readonly residency?: Residency | undefined;
  /** Verify everything in the background at this rate; default 0, only after a read error. */
  readonly scrubBytesPerSecond?: number | undefined;
  /** Told when the disk stops to take or give bytes, and when it does again. */
  readonly onHealth?: ((event: HealthEvent) => void) | undefined;
  /** Writes a small file and removes it, without a thread that others need; default: by those of the pool. */
  readonly probeDisk?: ((path: string) => Promise<void>) | undefined;
  /** Set for a cache that stands in for one whose disk cannot be used: nothing is kept in it. */
  readonly standsIn?: StandsIn | undefined;
  /** Identity of this boot; default: what the kernel says. */
  readonly bootId?: string | undefined;
  /** Milliseconds since 1970; default: the system clock. */
  readonly now?: (() => number) | undefined;
}
