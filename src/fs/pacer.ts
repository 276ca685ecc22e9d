/**
 * Keeps a background fill out of the way of reads that somebody waits for. Shared by all mounts of a daemon:
 * they share its line.
 *
 * The rule. A read is _calm_ when no background batch ran while it waited, else _loaded_. Once the median of
 * the last loaded reads is above twice that of the calm ones and 5 ms, no batch starts for 250 ms; each rise
 * that follows at once doubles the pause, up to 8 s. Reads during a pause are calm again and say what a quiet
 * line is like today. Until that is known, no batch starts while a read waits, for a second at most.
 *
 * Concurrency: for one event loop.
 */
import { type RetryClock, SYSTEM_CLOCK } from '../base/retry.ts';

/** Latest reads that count, and how many it takes for a median to mean something. */
const CALM_COUNT = 16;
const LOADED_COUNT = 4;
/** A loaded read takes longer than this many calm ones, and this much: then it was the fill. */
const RISE_RATIO = 2;
const RISE_MS_MIN = 5;
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 8_000;
/** Without a rise for this long the next pause is a short one again. */
const FORGET_MS = 30_000;
/** How long a fill waits to learn what a calm read takes. */
const CALM_WAIT_MS = 1_000;
/** Between two looks while a fill waits. */
const LOOK_MS = 25;

type Clock = Pick<RetryClock, 'now' | 'sleep'>;

interface Read {
  loaded: boolean;
}

export class Pacer {
  readonly #clock: Clock;
  readonly #reads = new Set<Read>();
  readonly #calm: number[] = [];
  #loaded: number[] = [];
  #batchCount = 0;
  #pauseMs = PAUSE_MS_MIN;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #pauseCount = 0;

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  /** Fills hold back because reads got slower. */
  get paused(): boolean {
    return this.#clock.now() < this.#pausedUntilMs;
  }

  /** Pauses so far. */
  get pauseCount(): number {
    return this.#pauseCount;
  }

  /** A read that somebody waits for begins. @returns to be called when it has its data */
  startRead(): () => void {
    const startMs = this.#clock.now();
    const read: Read = { loaded: this.#batchCount > 0 };
    this.#reads.add(read);
    return () => {
      if (!this.#reads.delete(read)) return;
      const elapsedMs = this.#clock.now() - startMs;
      if (read.loaded) this.#addLoaded(elapsedMs);
      else add(this.#calm, elapsedMs, CALM_COUNT);
    };
  }

  /** Runs one batch of a fill when the line may be used. @throws ERR_ABORTED, and what the batch throws */
  async run<T>(batch: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turn(signal);
    this.#batchCount++;
    for (const read of this.#reads) read.loaded = true;
    try {
      return await batch();
    } finally {
      this.#batchCount--;
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const knownByMs = this.#clock.now() + CALM_WAIT_MS;
    for (;;) {
      const now = this.#clock.now();
      const isLearning = this.#calm.length === 0 && this.#reads.size > 0 && now < knownByMs;
      if (now >= this.#pausedUntilMs && !isLearning) return;
      await this.#clock.sleep(LOOK_MS, signal);
    }
  }

  #addLoaded(elapsedMs: number): void {
    add(this.#loaded, elapsedMs, LOADED_COUNT);
    if (this.#loaded.length < LOADED_COUNT || this.#calm.length === 0) return;
    const calmMs = median(this.#calm);
    if (median(this.#loaded) <= calmMs * RISE_RATIO + RISE_MS_MIN) return;
    const now = this.#clock.now();
    const isFollowing = now - this.#pausedUntilMs < FORGET_MS;
    this.#pauseMs = isFollowing ? Math.min(this.#pauseMs * 2, PAUSE_MS_MAX) : PAUSE_MS_MIN;
    this.#pausedUntilMs = now + this.#pauseMs;
    this.#pauseCount++;
    this.#loaded = [];
  }
}

function add(values: number[], value: number, countMax: number): void {
  values.push(value);
  if (values.length > countMax) values.shift();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
