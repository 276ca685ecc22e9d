/**
 * What a cache does by itself from time to time: notes what the driver has opened, forgets what nobody uses, looks at
 * its limits and at its disk. Nothing here is needed for a read to be right.
 */
import type { Contents } from './contents.ts';
import type { Evictor } from './evict.ts';
import type { DiskHealth } from './health.ts';
import type { CacheParts } from './parts.ts';
import { DIGEST_SIZE } from './records.ts';

/** Between two looks at what was opened and whether the limits hold. */
const INTERVAL_MS = 10_000;
/** Partial contents kept in memory; what nobody uses beyond that is loaded again when needed. */
const PARTIAL_COUNT_MAX = 4096;

export interface UpkeepOptions {
  readonly parts: CacheParts;
  readonly contents: Contents;
  readonly evictor: Evictor;
  readonly health: DiskHealth;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #timer: NodeJS.Timeout;
  #turn: Promise<void> | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#start(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Brings last-use times up to date with what the driver has opened. */
  async collectTouched(): Promise<void> {
    const { contents, parts } = this.#options;
    const touched = parts.residency.touched();
    const digests: Uint8Array[] = [];
    for (let at = 0; at + DIGEST_SIZE <= touched.length; at += DIGEST_SIZE) {
      digests.push(touched.slice(at, at + DIGEST_SIZE));
    }
    parts.counters.hits += digests.length;
    await contents.touch(digests);
  }

  /** No turn begins any more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Waits for the turn that runs. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  #start(): void {
    this.#turn ??= this.#run()
      // The next turn tries again.
      .catch(() => {})
      .finally(() => {
        this.#turn = undefined;
      });
  }

  async #run(): Promise<void> {
    const { contents, evictor, health } = this.#options;
    health.review();
    // Each step would only take a thread of the pool with it.
    if (health.hangs) return;
    await this.collectTouched();
    await contents.forgetIdle(PARTIAL_COUNT_MAX);
    evictor.check();
  }
}
