/** Lines that may come in floods: a hub that is away for a day must not fill the disk with them. */
import type { LogFields, Logger, LogLevel } from './log.ts';

/** Lines within a time; the rest is counted. */
const LINES_MAX = 20;
const WINDOW_MS = 10_000;

export class LimitedLog {
  readonly #log: Logger;
  readonly #what: string;
  #sinceMs = 0;
  #count = 0;

  /** @param what is counted, as in "more failed reads than are listed" */
  constructor(log: Logger, what: string) {
    this.#log = log;
    this.#what = what;
  }

  write(level: LogLevel, fields: LogFields, message: string): void {
    const now = Date.now();
    if (now - this.#sinceMs > WINDOW_MS) {
      const left = this.#count - LINES_MAX;
      if (left > 0) this.#log.warn({ count: left }, `more ${this.#what} than are listed`);
      this.#sinceMs = now;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count <= LINES_MAX) this.#log[level](fields, message);
  }
}
