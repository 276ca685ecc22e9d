/**
 * What every load of the takeover suite tells, and when it ends: each is a process of its own that prints `reading`,
 * works until its standard input ends, and then prints what it has seen as one line of JSON.
 */

/** Begin (milliseconds since 1970) and length of an operation. */
export type Slow = readonly [beginMs: number, ms: number];

export interface LoadReport {
  readonly operations: number;
  /** How many were refused or ended, and how many gave other bytes; with the first ones in words. */
  readonly failed: number;
  readonly wrong: number;
  readonly words: readonly string[];
  readonly slow: readonly Slow[];
}

/** Shorter ones are no pauses. */
const SLOW_MS = 10;
const WORDS_COUNT_MAX = 20;

export class Reporter {
  /** Nobody wants more. */
  isOver = false;
  readonly #name: string;
  readonly #words: string[] = [];
  readonly #slow: Slow[] = [];
  #operations = 0;
  #failed = 0;
  #wrong = 0;

  /** @param name goes before what is said of a mistake when it is made */
  constructor(name: string) {
    this.#name = name;
    process.stdin.once('end', () => {
      this.isOver = true;
    });
    process.stdin.resume();
    process.stdout.write('reading\n');
  }

  /** One operation that is `false` when what it got is wrong, and throws when it got nothing. */
  attempt(what: string, operation: () => boolean): void {
    const begin = Date.now();
    const start = performance.now();
    try {
      if (!operation()) this.wrong(what);
    } catch (error) {
      this.failed(`${what}: ${error}`);
    }
    this.done(begin, performance.now() - start);
  }

  done(beginMs: number, ms: number): void {
    this.#operations++;
    if (ms >= SLOW_MS) this.#slow.push([Math.round(beginMs), Math.round(ms * 10) / 10]);
  }

  failed(what: string): void {
    this.#failed++;
    this.#say(`failed: ${what}`);
  }

  wrong(what: string): void {
    this.#wrong++;
    this.#say(`wrong: ${what}`);
  }

  end(): void {
    const report: LoadReport = {
      operations: this.#operations,
      failed: this.#failed,
      wrong: this.#wrong,
      words: this.#words,
      slow: this.#slow,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }

  // A run takes long: whoever watches it sees at once that it goes wrong.
  #say(words: string): void {
    if (this.#words.length === WORDS_COUNT_MAX) return;
    const text = `${new Date().toISOString()} ${words}`.slice(0, 1000);
    this.#words.push(text);
    process.stderr.write(`${this.#name}: ${text}\n`);
  }
}
