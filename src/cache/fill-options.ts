/** How blocks are made present, and what may go along. */
import type { ChunkStore } from '../store/store.ts';
import type { ContentRef } from './content.ts';
import type { FillPriority, LoadWatcher } from './fetch.ts';
import type { Quota } from './quota.ts';

export interface FillOptions {
  readonly store: ChunkStore;
  readonly priority: FillPriority;
  readonly signal?: AbortSignal | undefined;
  readonly watcher?: LoadWatcher | undefined;
  /** What the image that it is for may take of the cache; absent: no bound of its own. */
  readonly quota?: Quota | undefined;
  /** Asked when a whole small content has to be fetched for a reader: what goes along in that call. */
  readonly riders?: (() => Riders | undefined) | undefined;
}

/** Small contents that nobody waits for; see `land.ts`. */
export interface Riders {
  readonly refs: readonly ContentRef[];
  readonly watcher?: LoadWatcher | undefined;
  /** Called once, when all have ended. @param landed for each whether it was fetched now */
  readonly onEnd: (landed: readonly boolean[]) => void;
}
