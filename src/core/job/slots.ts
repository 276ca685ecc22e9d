/** Counts the jobs that are alive over all places, and tells when there is room for another. One waits at a time. */
import { raceAbort } from '../../base/abort.ts';

export class JobSlots {
  readonly countMax: number;
  #count = 0;
  #wake: () => void = () => {};

  constructor(countMax: number) {
    this.countMax = countMax;
  }

  get count(): number {
    return this.#count;
  }

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    this.#wake();
  }

  /** Waits until fewer than the maximum are alive. @throws ERR_ABORTED */
  async waitForRoom(signal: AbortSignal): Promise<void> {
    while (this.#count >= this.countMax) {
      const left = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await raceAbort(left, signal);
    }
  }
}
