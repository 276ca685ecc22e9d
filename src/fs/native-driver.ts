/** The native driver behind the common interface: all but misses is served in C++. */

import type { Need, SessionBinding, SessionOptions } from '../native/addon.ts';
import type { SessionStats } from '../native/session-values.ts';
import type { DemandSource } from './demand.ts';
import type { DriverOptions, DriverSession } from './driver.ts';

/** Two threads keep two cores busy and were the best count measured on such a machine. */
const WORKERS = 2;
/** Kernel readahead: one request of the largest size. */
const READAHEAD_BYTES = 1024 * 1024;
/** Files of one block are fetched when they are opened: the read would wait for the same bytes. */
const WHOLE_BLOCKS_MAX = 1;

export interface NativeDriverOptions extends DriverOptions {
  /** The cache's folder of complete content files. */
  readonly filesDir: string;
  /** Where it fills files. */
  readonly partialDir: string;
  readonly source: string;
}

/** What the addon is told of a mount. */
export function nativeOptions(options: NativeDriverOptions): SessionOptions {
  const { shownAt: _, ...rest } = options;
  return {
    ...rest,
    workers: WORKERS,
    readaheadBytes: READAHEAD_BYTES,
    wholeBlocksMax: WHOLE_BLOCKS_MAX,
  };
}

/** The addon, or something in front of it. */
export type NativeCalls = Pick<
  SessionBinding,
  'openSession' | 'closeSession' | 'sessionStats' | 'sessionOpens'
>;

/**
 * Mounts with the addon.
 *
 * @param answer resolves one need; see `Demand.answer`
 * @throws ERR_NO_FUSE, ERR_MOUNT, ERR_FLIST_FORMAT, ERR_PERMISSION
 */
export async function openNativeDriver(
  addon: NativeCalls,
  options: NativeDriverOptions,
  demand: DemandSource,
  answer: (source: DemandSource, need: Need) => Promise<void>,
  onEnd: () => void,
): Promise<DriverSession> {
  const { session, info, touches } = await addon.openSession(
    nativeOptions(options),
    (need) => void answer(demand, need),
    onEnd,
  );
  // What it had counted when it was closed: who began to ask before that is answered.
  let last: SessionStats | undefined;
  const stats = (): SessionStats => last ?? addon.sessionStats(session);
  return {
    driver: 'native',
    tier: 'fuse',
    passthrough: info.passthrough,
    device: info.device,
    ...(info.kept ? { connection: session } : {}),
    stats: () => {
      const { requests, ...counters } = stats();
      const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
      return { requests: total, ...counters };
    },
    ...(touches && { touches }),
    requests: () => stats().requests,
    opens: (watch) => (last === undefined ? addon.sessionOpens(session, watch) : []),
    close: async (closeOptions) => {
      const counted = stats();
      await addon.closeSession(session, closeOptions);
      last = counted;
    },
  };
}
