/** What a run counts, for whoever shows progress and polls it. Sizes in bytes. */
export interface CreateProgress {
  phase: 'fetching' | 'walking' | 'storing' | 'writing';
  entries: number;
  /** Plain bytes of files that were read, or skipped as holes. */
  bytes: number;
  /** Bytes of all files; 0 while that is not known, as of an archive until its end. */
  bytesTotal: number;
  /**
   * Of an archive, compressed or not: how far it has been fetched or read, and its size; 0 when that is not
   * known.
   */
  position: number;
  positionTotal: number;
}

/** Starting values of a run's counters. */
export function createProgress(): CreateProgress {
  return {
    phase: 'walking',
    entries: 0,
    bytes: 0,
    bytesTotal: 0,
    position: 0,
    positionTotal: 0,
  };
}
