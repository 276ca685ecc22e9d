/**
 * Writing results: lines are collected into larger writes, and the writer waits for its reader. One
 * writer for each stream at a time.
 */
import { once } from 'node:events';
import type { Context, Terminal } from '../context.ts';

/** Lines are held back up to this size: one pipe buffer of Linux. */
const BUFFER_SIZE = 64 * 1024;

/** Writes everything and waits until the stream takes more; rejects when the context's signal fires. */
export async function writeAll(
  stream: Terminal,
  data: string | Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!stream.write(data)) await once(stream, 'drain', { signal });
}

/** Collects output for stdout. Call {@link flush} at the end. */
export class Output {
  readonly #context: Context;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Adds bytes; await the result before the next call. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.#parts.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= BUFFER_SIZE) await this.flush();
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** Hands over what was collected. */
  async flush(): Promise<void> {
    if (this.#size === 0) return;
    const data = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    await writeAll(this.#context.stdout, data, this.#context.signal);
  }
}
