/** Starts the driver that a mount asks for. The native one is loaded already; the other on demand. */
import { join } from 'node:path';
import type { ContentCache } from '../cache/cache.ts';
import { ContentsReader } from '../format/index/contents-reader.ts';
import { type FileSource, openFileSource } from '../image/file-source.ts';
import { addon } from '../native/load.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Demand, DemandSource } from './demand.ts';
import type { DriverOptions, DriverSession } from './driver.ts';
import type { MountRequest } from './mounts.ts';
import { openNativeDriver } from './native-driver.ts';

export interface OpenDriverOptions extends DriverOptions {
  readonly cache: ContentCache;
  readonly demand: Demand;
  readonly store: ChunkStore;
  readonly onEnd: () => void;
}

/** @throws ERR_CONFIG when the driver is not installed, and whatever the driver throws */
export async function openDriver(
  driver: MountRequest['driver'],
  options: OpenDriverOptions,
): Promise<DriverSession> {
  const { cache, demand, store, onEnd, ...rest } = options;
  const files: FileSource[] = [];
  const openFile = (name: string): FileSource => {
    const file = openFileSource(join(options.indexDir, name));
    files.push(file);
    return file;
  };
  const closeFiles = (): void => {
    for (const file of files) file.close();
  };
  try {
    const contents = openFile('mount.contents');
    const chunks = openFile('mount.chunks');
    const source: DemandSource = {
      mountPoint: options.mountPoint,
      contents: new ContentsReader(contents, chunks),
      store,
      deadlineMs: options.deadlineMs,
    };
    // A lazily detached mount reads on until its last file is closed.
    const ended = (): void => {
      closeFiles();
      onEnd();
    };
    return await start(driver, rest, source, cache, demand, ended);
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
  const native = { ...options, filesDir: cache.layout.files };
  return openNativeDriver(addon(), native, source, answer, onEnd);
}
