/** Starts the driver that a mount asks for. The native one is loaded already; the other on demand. */
import { join } from 'node:path';
import type { ContentCache } from '../cache/cache.ts';
import type { Quota } from '../cache/quota.ts';
import { ContentsReader } from '../format/index/contents-reader.ts';
import { type FileSource, openFileSource } from '../image/file-source.ts';
import { addon } from '../native/load.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Demand, DemandSource } from './demand.ts';
import type { DriverOptions, DriverSession, ExplainedSession } from './driver.ts';
import { MissLog } from './miss-log.ts';
import type { MountRequest } from './mount-record.ts';
import { type NativeCalls, openNativeDriver } from './native-driver.ts';
import { PathNames } from './path-names.ts';
import type { EarlySessions } from './takeover/early-sessions.ts';

export interface OpenDriverOptions extends DriverOptions {
  readonly cache: ContentCache;
  readonly demand: Demand;
  readonly store: ChunkStore;
  readonly onEnd: () => void;
  /** What its contents may take of the cache. */
  readonly quota?: Quota | undefined;
  /** Connections that are served already; see `EarlySessions`. */
  readonly early?: EarlySessions | undefined;
}

/** @throws ERR_CONFIG when the driver is not installed, and whatever the driver throws */
export async function openDriver(
  driver: MountRequest['driver'],
  options: OpenDriverOptions,
): Promise<ExplainedSession> {
  const { cache, demand, store, onEnd, quota, early, ...rest } = options;
  const names = new PathNames(options.indexDir);
  const files: FileSource[] = [];
  const openFile = (name: string): FileSource => {
    const file = openFileSource(join(options.indexDir, name));
    files.push(file);
    return file;
  };
  const closeFiles = (): void => {
    names.close();
    for (const file of files) file.close();
  };
  try {
    const contents = openFile('mount.contents');
    const chunks = openFile('mount.chunks');
    const { shownAt: mountPoint, deadlineMs } = options;
    const own = {
      ...{ mountPoint, store, deadlineMs, quota },
      contents: new ContentsReader(contents, chunks),
      misses: new MissLog({ mountPoint, names, slowReads: demand.slowReads }),
    };
    // Only the native driver says which inode it is about.
    const foresight = demand.foresight({ ...own, names, hasInodes: driver === 'native' });
    const source: DemandSource = { ...own, foresight };
    // A lazily detached mount reads on until its last file is closed.
    const ended = (): void => {
      foresight.close();
      closeFiles();
      onEnd();
    };
    const native: NativeCalls = early?.calls ?? addon();
    const session = await start(driver, rest, source, cache, demand, ended, native);
    return { ...session, contents: source.contents, misses: source.misses, foresight };
  } catch (error) {
    closeFiles();
    throw error;
  }
}

async function start(
  driver: MountRequest['driver'],
  options: DriverOptions,
  source: DemandSource,
  cache: ContentCache,
  demand: Demand,
  onEnd: () => void,
  calls: NativeCalls,
): Promise<DriverSession> {
  if (driver === 'fuse-native') {
    const { openFuseNativeDriver } = await import('./fuse-native-driver.ts');
    const session = await openFuseNativeDriver(options, source, cache, demand);
    return {
      ...session,
      // The package says nothing when the kernel lets go; after its unmount it serves no more.
      close: async (closeOptions) => {
        await session.close(closeOptions);
        onEnd();
      },
    };
  }
  const answer = demand.answer.bind(demand);
  const native = { ...options, filesDir: cache.layout.files, partialDir: cache.layout.partial };
  return openNativeDriver(calls, native, source, answer, onEnd);
}
