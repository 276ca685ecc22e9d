/**
 * Verifies the whole cache again and again, slowly. Off unless asked for: what is read is digested but not remembered as
 * used, it takes memory from the page cache, and a content that went bad on disk costs no more than being fetched
 * again. After a read error one pass is made anyway: what else is bad is found before a reader meets it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { VerifyOptions, VerifyProgress } from './verify.ts';

/** Between the end of a pass and the next. */
const PAUSE_MS = 24 * 3_600_000;
/** Of the pass after a read error, where no rate was given. */
const SUSPECT_BYTES_PER_SECOND = 16 * 1024 * 1024;

export interface ScrubberOptions {
  readonly verify: (options: VerifyOptions) => Promise<VerifyProgress>;
  /** 0: only after read errors. */
  readonly bytesPerSecond: number;
  readonly signal: AbortSignal;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  #pass: Promise<void> | undefined;
  readonly #loop: Promise<void>;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#loop = options.bytesPerSecond > 0 ? this.#run() : Promise.resolve();
  }

  /** A file could not be read: looks at all of them, once. */
  onReadError(): void {
    void this.#verify();
  }

  /** Ends when the signal has fired. */
  async idle(): Promise<void> {
    await Promise.all([this.#loop, this.#pass]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      await this.#verify();
      await delay(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** One pass, or the one that runs. Never throws: the next finds what this one did not. */
  async #verify(): Promise<void> {
    const { verify, signal, bytesPerSecond } = this.#options;
    const rate = bytesPerSecond > 0 ? bytesPerSecond : SUSPECT_BYTES_PER_SECOND;
    this.#pass ??= verify({ signal, bytesPerSecond: rate })
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#pass = undefined;
      });
    await this.#pass;
  }
}
