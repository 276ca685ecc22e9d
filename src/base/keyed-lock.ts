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
    return await this.runMany([key], task);
  }

  /** One task under several different keys. All are queued for at once, so that tasks never wait in a circle. */
  async runMany<T>(keys: readonly string[], task: () => Promise<T>): Promise<T> {
    const before: Promise<void>[] = [];
    let release = (): void => {};
    const tail = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (const key of keys) {
      const last = this.#tails.get(key);
      if (last !== undefined) before.push(last);
      this.#tails.set(key, tail);
    }
    try {
      if (before.length > 0) await Promise.all(before);
      return await task();
    } finally {
      for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key);
      release();
    }
  }
}
