/**
 * What a load waits for, and since when: a few marks as it goes, read by whoever wants to explain a
 * slow read. A mark costs a clock reading; a load has about five of them.
 *
 * Concurrency: for one event loop. A trail belongs to one load; all who wait for it read the same.
 */

/**
 * `queue`: for its turn. `network`: for a store's answer. `decode`: is verified, unpacked and written.
 * `disk`: for files of the cache that are opened, checked, copied, or make room.
 */
export const STAGES = ['queue', 'network', 'decode', 'disk'] as const;
export type Stage = (typeof STAGES)[number];
/** Milliseconds by stage. */
export type StageTimes = Record<Stage, number>;

/** Retries add marks; from here on the last one grows. */
const MARKS_MAX = 64;

interface Mark {
  readonly at: number;
  /** A stage, or another load that is waited for. */
  readonly what: Stage | Trail;
}

export class Trail {
  /** Chunk id, when it is known which. */
  chunk: string | undefined;
  /** Name of the store that was asked last. */
  store: string | undefined;
  readonly #marks: Mark[];
  #endedAt: number | undefined;

  constructor(stage: Stage = 'queue', at = performance.now()) {
    this.#marks = [{ at, what: stage }];
  }

  /** When the load ended, on the clock of `performance.now()`. */
  get endedAt(): number | undefined {
    return this.#endedAt;
  }

  /** From now on it waits for this. */
  enter(stage: Stage, at: number = performance.now()): void {
    if (this.#marks.length < MARKS_MAX) this.#marks.push({ at, what: stage });
  }

  /** From now on it waits for what another load waits for. */
  follow(load: Trail, at: number = performance.now()): void {
    if (this.#marks.length < MARKS_MAX) this.#marks.push({ at, what: load });
  }

  end(at: number = performance.now()): void {
    this.#endedAt ??= at;
  }

  /** What it waits for at the moment, or waited for last. */
  current(): { stage: Stage; chunk: string | undefined; store: string | undefined } {
    const { what } = this.#marks.at(-1) as Mark;
    const { chunk, store } = this;
    if (typeof what === 'string') return { stage: what, chunk, store: this.#lastStore() };
    const inner = what.current();
    return { stage: inner.stage, chunk: chunk ?? inner.chunk, store: inner.store ?? store };
  }

  /** Adds to `times` how the time between two moments was spent. */
  addTimes(times: StageTimes, from: number, to: number): void {
    for (const [index, { at, what }] of this.#marks.entries()) {
      const start = index === 0 ? from : Math.max(from, at);
      const end = Math.min(to, this.#marks[index + 1]?.at ?? to);
      if (end <= start) continue;
      if (typeof what === 'string') times[what] += end - start;
      else what.addTimes(times, start, end);
    }
  }

  #lastStore(): string | undefined {
    for (const { what } of this.#marks.toReversed()) {
      if (typeof what !== 'string') return what.current().store ?? this.store;
    }
    return this.store;
  }
}

export function noTimes(): StageTimes {
  return { queue: 0, network: 0, decode: 0, disk: 0 };
}

/** The stage that took the most. */
export function longestStage(times: Readonly<StageTimes>): Stage {
  return STAGES.reduce((longest, stage) => (times[stage] > times[longest] ? stage : longest));
}
