/**
 * Notices that the disk of the cache does not answer. Readers whose bytes are there wait in the driver, which finds out
 * by itself and is asked here; those whose bytes are not wait for a load that is in the disk's hands; whom the kernel
 * serves wait there, and only the disk's own counts tell. Nothing here touches the disk.
 */
import type { ContentCache } from '../cache/cache.ts';
import type { SessionBinding } from '../native/addon.ts';
import type { DiskSilence } from './disk-silence.ts';
import type { SlowReads } from './slow-reads.ts';

const INTERVAL_MS = 1_000;
/** A load that waits for the disk for so long makes the disk be asked for a sign of life. */
const PATIENCE_MS = 1_000;

export interface DiskWatchOptions {
  readonly driver: Pick<SessionBinding, 'isDiskAway'>;
  readonly cache: Pick<ContentCache, 'noteSilence' | 'trouble'>;
  /** Knows the loads that readers wait for. */
  readonly slowReads: Pick<SlowReads, 'waitsForDisk'>;
  readonly silence: Pick<DiskSilence, 'look'>;
}

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.look(), INTERVAL_MS);
    this.#timer.unref();
  }

  look(): void {
    const { cache, driver, silence, slowReads } = this.#options;
    // Each look is compared with the one before.
    const isSilent = silence.look();
    if (cache.trouble?.reason === 'hanging') return;
    if (driver.isDiskAway()) cache.noteSilence('hangs');
    else if (isSilent || slowReads.waitsForDisk(PATIENCE_MS)) cache.noteSilence('doubt');
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
