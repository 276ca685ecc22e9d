/**
 * The latest events of one mount for whoever traces it: kept while somebody asks for them now and then,
 * and dropped afterwards. Readers ask with the number of the last event they have.
 */
import type { OpenedFile } from '../native/addon.ts';
import type { MissReport } from './miss.ts';

/** Events kept for a reader that comes late; at some hundred bytes each, about a megabyte. */
const EVENTS_MAX = 4096;
/** Nobody reads the trace any more when nobody has asked for this long. */
const LEASE_MS = 10_000;
/** Inodes that are remembered as reported; beyond that one may come twice. */
const SEEN_MAX = 65_536;

/** A wait that ended, or a file that was opened for the first time and needed no wait. */
export type TraceEvent =
  | { readonly type: 'miss'; readonly miss: MissReport }
  | {
      readonly type: 'first-open';
      readonly nid: number;
      readonly atMs: number;
      /** All of it is local. */
      readonly complete: boolean;
    };

export interface TracePage {
  readonly events: readonly TraceEvent[];
  /** Where the next page begins. */
  readonly next: number;
  /** Events since the last page that came too fast to be kept. */
  readonly lost: number;
}

export class TraceRing {
  #events: TraceEvent[] = [];
  /** Number of the event after the last. */
  #next = 0;
  #seen = new Set<number>();
  #leaseEnd = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Called when nobody traces any more. */
  onIdle: (() => void) | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether somebody traces. */
  get active(): boolean {
    return this.#now() < this.#leaseEnd;
  }

  addMiss(miss: MissReport): void {
    if (!this.active) return;
    this.#remember(miss.nid);
    this.#add({ type: 'miss', miss });
  }

  addOpens(opens: readonly OpenedFile[]): void {
    if (!this.active) return;
    const now = Date.now();
    for (const { nid, complete, agoMs } of opens) {
      // Its open has waited, which tells more.
      if (this.#remember(nid)) this.#add({ type: 'first-open', nid, atMs: now - agoMs, complete });
    }
  }

  /** Keeps the trace going. @param after `next` of the last page; absent: from now on */
  read(after: number | undefined): TracePage {
    this.#leaseEnd = this.#now() + LEASE_MS;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), LEASE_MS);
    this.#timer.unref();
    const first = this.#next - this.#events.length;
    const from = after === undefined || after > this.#next ? this.#next : after;
    const lost = Math.max(0, first - from);
    return { events: this.#events.slice(Math.max(0, from - first)), next: this.#next, lost };
  }

  #end(): void {
    this.#events = [];
    this.#seen = new Set();
    this.onIdle?.();
  }

  #add(event: TraceEvent): void {
    this.#events.push(event);
    this.#next++;
    // In large steps: one event more is not worth a copy of all.
    if (this.#events.length >= 2 * EVENTS_MAX) this.#events = this.#events.slice(-EVENTS_MAX);
  }

  /** Whether the inode is new to the trace. */
  #remember(nid: number): boolean {
    if (this.#seen.has(nid)) return false;
    if (this.#seen.size >= SEEN_MAX) this.#seen.clear();
    this.#seen.add(nid);
    return true;
  }
}
