/** Ranges of chunk ids, as routers divide chunks among stores. Pure. */
import type { ChunkId } from './store.ts';

/**
 * Inclusive range of ids by their leading digits: `first` and `last` are lower-case hex of the same
 * length, one digit or more. An id with fewer digits is in no range.
 */
export interface IdRange {
  readonly first: string;
  readonly last: string;
}

/** Range of all ids. */
export const ALL_IDS: IdRange = { first: '0', last: 'f' };

export function isInRange(id: ChunkId, range: IdRange): boolean {
  if (id.length < range.first.length) return false;
  const digits = id.slice(0, range.first.length);
  return range.first <= digits && digits <= range.last;
}
