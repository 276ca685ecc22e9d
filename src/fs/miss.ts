/**
 * One wait of a reader for data that is not local: what it wants, since when, what it waits for at the
 * moment and what it has waited for. Made for each need of the driver; costs nothing when all is local.
 *
 * Concurrency: for one event loop. Times are those of `performance.now()`.
 */
import { isG8Error } from '../base/errors.ts';
import { longestStage, noTimes, type Stage, type StageTimes, Trail } from '../base/trail.ts';
import type { Need } from '../native/addon.ts';

/** What is waited for. */
export type Wanted = Omit<Need, 'session'>;

/** Where a wait stands: the stage, and of what is fetched the chunk and the store that was asked. */
export interface MissState {
  readonly stage: Stage;
  readonly chunk: string | undefined;
  readonly store: string | undefined;
}

/** A wait in numbers; `nid` and the range say what was read. */
export interface MissReport {
  readonly kind: 'read' | 'open';
  readonly nid: number;
  /** Row of its content. */
  readonly content: number;
  /** Range of the read in bytes; of an open, the whole file. */
  readonly offset: number;
  readonly size: number;
  /** When it began, milliseconds since 1970. */
  readonly atMs: number;
  readonly ms: number;
  /** The stage that took the most of it. */
  readonly reason: Stage;
  readonly times: Readonly<StageTimes>;
  readonly chunk: string | undefined;
  readonly store: string | undefined;
  /** Code of the error it ended with. */
  readonly error: string | undefined;
}

export class Miss {
  readonly wanted: Wanted;
  /** Size of the content. */
  fileSize = 0;
  /** Lines that were written about it. */
  reports = 0;
  readonly #began: number;
  readonly #beganAtMs: number;
  /** Until blocks are loaded, and when there is nothing to load. */
  readonly #own: Trail;
  #loadAt: number | undefined;
  readonly #loads: Trail[] = [];
  #ended: number | undefined;
  #error: string | undefined;

  constructor(wanted: Wanted, now: number = performance.now()) {
    this.wanted = wanted;
    this.#began = now - wanted.waitedMs;
    this.#beganAtMs = Date.now() - wanted.waitedMs;
    this.#own = new Trail('queue', this.#began);
    this.#own.enter('disk', now);
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** A block it waits for is being loaded. */
  addLoad(trail: Trail): void {
    this.#loadAt ??= performance.now();
    this.#loads.push(trail);
  }

  /** Milliseconds that the reader waited, so far or in all. */
  elapsedMs(now: number = performance.now()): number {
    return this.#end(now) - this.#began;
  }

  end(error?: unknown): void {
    this.#ended = performance.now();
    if (error !== undefined) this.#error = isG8Error(error) ? error.code : 'ERR_INTERNAL';
  }

  state(): MissState {
    const { stage, chunk, store } = (this.#slowest() ?? this.#own).current();
    return { stage, chunk, store };
  }

  report(now: number = performance.now()): MissReport {
    const { nid, content, offset, size } = this.wanted;
    const times = this.#times(now);
    const { chunk, store } = this.state();
    return {
      kind: size === 0 ? 'open' : 'read',
      nid,
      content,
      offset,
      size: size === 0 ? this.fileSize : size,
      atMs: this.#beganAtMs,
      ms: this.elapsedMs(now),
      // While it waits, what it waits for now is what somebody wants to know.
      reason: this.ended ? longestStage(times) : this.state().stage,
      times,
      chunk,
      store,
      error: this.#error,
    };
  }

  #times(now: number): StageTimes {
    const times = noTimes();
    const end = this.#end(now);
    const slowest = this.#slowest();
    const loadAt = Math.min(this.#loadAt ?? end, end);
    this.#own.addTimes(times, this.#began, loadAt);
    if (slowest === undefined) return times;
    const loaded = Math.min(end, slowest.endedAt ?? end);
    slowest.addTimes(times, loadAt, loaded);
    // What follows the last block is the file's move to its place.
    const after = Math.max(loaded, loadAt);
    if (end > after) times.disk += end - after;
    return times;
  }

  /** A read was answered with its last block; an open waits until the file is in its place. */
  #end(now: number): number {
    if (this.#ended === undefined) return now;
    const last = this.#slowest()?.endedAt;
    return this.wanted.size === 0 || last === undefined ? this.#ended : Math.min(last, this.#ended);
  }

  /** The load that goes on, or ended last: the one that the reader waits for. */
  #slowest(): Trail | undefined {
    return this.#loads.reduce<Trail | undefined>((slowest, trail) => {
      if (slowest === undefined) return trail;
      const end = (each: Trail): number => each.endedAt ?? Number.POSITIVE_INFINITY;
      return end(trail) > end(slowest) ? trail : slowest;
    }, undefined);
  }
}
