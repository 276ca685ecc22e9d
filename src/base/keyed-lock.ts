/**
 * Mutual exclusion by key: tasks of one key run one after the other, in the order of arrival.
 *
 * Concurrency: for one event loop. Not reentrant: a task that asks for its own key waits for ever.
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Whether a task of this key runs or waits. */
  isHeld(key: string): boolean {
    return this.#tails.has(key);
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let release = (): void => {};
    const tail = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#tails.set(key, tail);
    try {
      if (before !== undefined) await before;
      return await task();
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
      release();
    }
  }
}
