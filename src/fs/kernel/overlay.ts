/**
 * A mount in the kernel tier: an overlay whose metadata are an EROFS image and whose contents come from the
 * cache's complete files and, for what is not complete, from the object mount. The kernel serves it; no
 * request comes here unless a content is missing.
 *
 * The metadata image is mounted for each overlay and hidden at once: the overlay keeps it. So its end
 * is the end of the overlay, whoever unmounts that and whenever the last file is closed.
 */
import { type FSWatcher, watch } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import type { LayersBinding } from '../../native/addon.ts';
import { findMount, type MountEntry, readMountinfo } from '../mountinfo.ts';

/** Folder of the object mount below a cache. */
const OBJECTS = join('run', 'objects');

export interface KernelOverlayOptions {
  /** Metadata image, verified. */
  readonly image: string;
  /** Where the image is mounted for a moment; made and removed. */
  readonly metadata: string;
  readonly data: readonly string[];
  readonly upper?: { readonly dir: string; readonly work: string } | undefined;
  readonly source: string;
  readonly target: string;
  readonly onEnd: () => void;
}

export interface KernelOverlay {
  /** Unmounts it if it is still there. @throws ERR_MOUNT when it is busy and not `lazy` */
  close(options: { lazy: boolean }): Promise<void>;
}

/** @throws ERR_MOUNT with the kernel's reason, ERR_PERMISSION, ERR_NO_INPUT */
export async function mountKernelOverlay(
  layers: LayersBinding,
  options: KernelOverlayOptions,
): Promise<KernelOverlay> {
  const { image, metadata, data, upper, source, target, onEnd } = options;
  let watcher: FSWatcher | undefined;
  await makeFolder(metadata, { mode: 0o700 });
  try {
    await layers.mountImage(image, metadata);
    watcher = watchEnd(metadata, onEnd);
    await layers.mountOverlay({
      metadata,
      data,
      ...(upper === undefined ? {} : { upper: upper.dir, work: upper.work }),
      source,
      target,
    });
  } catch (error) {
    watcher?.close();
    throw toG8Error(error, 'ERR_MOUNT', `Mount at ${target} failed`);
  } finally {
    await layers.unmountPath(metadata, { lazy: true });
    await rmdir(metadata);
  }
  const device = findMount(target)?.device;
  return {
    close: async (closeOptions) => {
      // Gone already, or covered by a mount of somebody else.
      if (device === undefined || findMount(target)?.device !== device) return;
      await layers.unmountPath(target, closeOptions);
    },
  };
}

/**
 * An overlay that a daemon before this one has mounted.
 *
 * @throws ERR_MOUNT when it is not there
 */
export function adoptKernelOverlay(
  layers: LayersBinding,
  target: string,
  cacheDir: string,
): KernelOverlay & { readonly isThere: () => boolean } {
  const found = findMount(target);
  if (found === undefined || overlayCache(found) !== cacheDir) {
    throw new G8Error('ERR_MOUNT', `The overlay at ${target} is gone`);
  }
  const isThere = (): boolean => readMountinfo().some(({ device }) => device === found.device);
  return {
    isThere,
    close: async (options) => {
      if (findMount(target)?.device !== found.device) return;
      await layers.unmountPath(target, options);
    },
  };
}

/** Calls back when the file system at `path` is no more. It is read-only: nothing else can happen to it. */
function watchEnd(path: string, onEnd: () => void): FSWatcher {
  const watcher = watch(path, { persistent: false }, () => {
    // The kernel tells twice: that it is unmounted, and that the watch is over.
    watcher.close();
    onEnd();
  });
  watcher.on('error', () => watcher.close());
  return watcher;
}

/** Folder of the object mount of a cache. */
export function objectsDir(cacheDir: string): string {
  return join(cacheDir, OBJECTS);
}

/** Cache that a mount in the kernel tier reads from; `undefined` for any other mount. */
export function overlayCache({ type, superOptions }: MountEntry): string | undefined {
  if (type !== 'overlay') return undefined;
  const found = /(?:^|,)datadir\+=(\/[^,]*\/run\/objects)(?:,|$)/.exec(superOptions)?.[1];
  return found === undefined ? undefined : dirname(dirname(found));
}
