/** Keeps what jobs publish, and tells when a result is there. */
import type { JobMessage } from '../../src/core/job/job.ts';
import type { JobSink } from '../../src/core/job/jobs.ts';
import type { Command } from '../../src/core/transport/command.ts';
import type { Result } from '../../src/core/transport/result.ts';

// A job of a test takes seconds on a loaded machine.
const RESULT_MS = 20_000;

export class RecordingSink implements JobSink {
  readonly messages: { readonly id: string; readonly message: JobMessage }[] = [];
  readonly #results: Result[] = [];
  readonly #waiting = new Map<string, (result: Result) => void>();

  publishResult(result: Result): void {
    this.#results.push(result);
    this.#waiting.get(result.command.id)?.(result);
  }

  publishMessage(_core: number, { id }: Command, message: JobMessage): void {
    this.messages.push({ id, message });
  }

  /** Results so far of one job. */
  results(id: string): Result[] {
    return this.#results.filter(({ command }) => command.id === id);
  }

  async result(id: string): Promise<Result> {
    const [known] = this.results(id);
    if (known !== undefined) return known;
    return await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`No result of ${id}`)), RESULT_MS);
      this.#waiting.set(id, (result) => {
        clearTimeout(late);
        resolve(result);
      });
    });
  }
}
