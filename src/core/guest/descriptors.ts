/**
 * Files that clients have open in a place, by the names they know them by. One that is not used for a while
 * is closed; all are gone with the guest program that holds them.
 */
import { randomUUID } from 'node:crypto';
import { CommandError } from '../command/error.ts';
import { closeFile, type FileHandle, openFile, readFile, writeFile } from './files.ts';
import type { Guest } from './guest.ts';

interface Descriptor {
  readonly handle: FileHandle;
  readonly release: () => void;
  idle: NodeJS.Timeout;
}

const IDLE_MS = 300_000;
/** As many as a guest program holds. */
const COUNT_MAX = 512;
/** Bytes of one write; a request is not much larger. */
const BLOCK_SIZE_MAX = 512 * 1024;

export class Descriptors {
  readonly #guest: Guest;
  readonly #open = new Map<string, Descriptor>();

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** @returns its name. @throws CommandError 503 when too many are open */
  async open(path: string, options: { flags: number; mode: number }): Promise<string> {
    if (this.#open.size >= COUNT_MAX) throw new CommandError(503, 'too many open files');
    const release = this.#guest.hold();
    try {
      const handle = await openFile(this.#guest, path, options);
      const name = randomUUID();
      this.#open.set(name, { handle, release, idle: this.#startIdle(name) });
      return name;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @returns empty at the end of the file */
  async read(name: string, size: number): Promise<Buffer> {
    return await readFile(this.#guest, this.#used(name).handle, size);
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const { handle } = this.#used(name);
    let at = 0;
    do {
      await writeFile(this.#guest, handle, bytes.subarray(at, at + BLOCK_SIZE_MAX));
      at += BLOCK_SIZE_MAX;
    } while (at < bytes.length);
  }

  /** That there is none of this name is fine. */
  async close(name: string): Promise<void> {
    const descriptor = this.#forget(name);
    if (descriptor !== undefined) await closeFile(this.#guest, descriptor.handle);
  }

  /** The program that held them is gone. */
  forgetAll(): void {
    for (const name of [...this.#open.keys()]) this.#forget(name);
  }

  #used(name: string): Descriptor {
    const descriptor = this.#open.get(name);
    if (descriptor === undefined) throw new CommandError(500, `no open file '${name}'`);
    clearTimeout(descriptor.idle);
    descriptor.idle = this.#startIdle(name);
    return descriptor;
  }

  #forget(name: string): Descriptor | undefined {
    const descriptor = this.#open.get(name);
    if (descriptor === undefined) return undefined;
    clearTimeout(descriptor.idle);
    this.#open.delete(name);
    descriptor.release();
    return descriptor;
  }

  #startIdle(name: string): NodeJS.Timeout {
    // A file that cannot be closed is closed with its program.
    return setTimeout(() => void this.close(name).catch(() => {}), IDLE_MS).unref();
  }
}
