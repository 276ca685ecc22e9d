/**
 * Ends loads that no reader waits for any more, because it was interrupted or killed: a store that is slow or dead is
 * not asked on behalf of nobody. The driver is asked once in a second while there are loads; what it has in between
 * is of use to whoever reads next.
 */
import { createAbortController } from '../base/abort.ts';
import { G8Error } from '../base/errors.ts';
import type { Need, SessionBinding } from '../native/addon.ts';

const LOOK_INTERVAL_MS = 1_000;

type Waits = Pick<SessionBinding, 'sessionWaits'>;

interface Load {
  readonly need: Need;
  readonly given: AbortController;
}

export class AbandonedReads {
  readonly #waits: Waits;
  readonly #loads = new Set<Load>();
  #timer: NodeJS.Timeout | undefined;

  constructor(waits: Waits) {
    this.#waits = waits;
  }

  /** Watches a load. @returns the signal that ends it, and what ends the watch */
  add(need: Need): { readonly signal: AbortSignal; readonly end: () => void } {
    const load: Load = { need, given: createAbortController() };
    this.#loads.add(load);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
      this.#timer.unref();
    }
    return { signal: load.given.signal, end: () => this.#remove(load) };
  }

  #remove(load: Load): void {
    this.#loads.delete(load);
    if (this.#loads.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const waited = new Map<number, Set<string>>();
    for (const { need, given } of [...this.#loads]) {
      const contents = waited.get(need.session) ?? this.#waitedOf(need.session);
      waited.set(need.session, contents);
      if (contents.has(`${need.image ?? 0}:${need.content}`)) continue;
      given.abort(new G8Error('ERR_ABORTED', 'Nobody waits for the read any more'));
    }
  }

  /** Contents of a session that a reader waits for. */
  #waitedOf(session: number): Set<string> {
    const pairs = this.#waits.sessionWaits(session);
    const contents = new Set<string>();
    for (let i = 0; i < pairs.length; i += 2) contents.add(`${pairs[i]}:${pairs[i + 1]}`);
    return contents;
  }
}
