/**
 * Makes content files of single chunks, many in one native call: what comes up in one turn of the event loop goes
 * together, because small files cost less to make than to talk about.
 *
 * Concurrency: calls run on libuv's pool, a few at a time, the urgent ones first. Bounded by its callers, each of
 * whom holds the chunk that it brings.
 */
import { Limiter } from '../base/limit.ts';
import type { CodecBinding, PlaceFileRequest } from '../native/addon.ts';

/** What {@link Placer.place} gives when something is there already. */
export const PLACE_EXISTS = -1;
/** And where the file system cannot do it this way. */
export const PLACE_UNSUPPORTED = -2;

/** Calls at the same time by priority: the threads of the pool, of which background work leaves half. */
const CALL_SHARES = [4, 3, 2];
const CALL_QUEUE_COUNT_MAX = 65_536;
/** Files and plain bytes of one call: a millisecond or two on one thread. */
const GROUP_COUNT_MAX = 16;
const GROUP_BYTES_MAX = 1024 * 1024;

interface Pending {
  readonly request: PlaceFileRequest;
  readonly resolve: (allocated: number) => void;
  readonly reject: (error: unknown) => void;
}

export class Placer {
  readonly #addon: CodecBinding;
  readonly #calls = new Limiter({ shares: CALL_SHARES, queueCountMax: CALL_QUEUE_COUNT_MAX });
  readonly #pending: Pending[][] = CALL_SHARES.map(() => []);
  #isDue = false;

  constructor(addon: CodecBinding) {
    this.#addon = addon;
  }

  /**
   * @returns bytes that the file takes on its disk, {@link PLACE_EXISTS} or {@link PLACE_UNSUPPORTED}
   * @throws ERR_CHUNK_CORRUPT, ERR_CACHE_FULL, ERR_IO
   */
  place(request: PlaceFileRequest, priority: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#pending[priority]?.push({ request, resolve, reject });
      if (this.#isDue) return;
      this.#isDue = true;
      setImmediate(() => {
        this.#isDue = false;
        this.#start();
      });
    });
  }

  #start(): void {
    for (const [priority, pending] of this.#pending.entries()) {
      while (pending.length > 0) {
        const group = takeGroup(pending);
        this.#calls
          .run(() => this.#run(group), { priority })
          .catch((error: unknown) => {
            for (const { reject } of group) reject(error);
          });
      }
    }
  }

  async #run(group: readonly Pending[]): Promise<void> {
    const results = await this.#addon.placeFiles(group.map(({ request }) => request));
    for (const [index, { resolve, reject }] of group.entries()) {
      const result = results[index];
      if (typeof result === 'number') resolve(result);
      else reject(result);
    }
  }
}

function takeGroup(pending: Pending[]): Pending[] {
  let bytes = 0;
  let count = 0;
  while (count < Math.min(pending.length, GROUP_COUNT_MAX) && bytes < GROUP_BYTES_MAX) {
    bytes += (pending[count] as Pending).request.plainSize;
    count++;
  }
  return pending.splice(0, count);
}
