/**
 * Opens what a cache consists of: takes the folder for this process, and sets aside what a power loss may have
 * damaged before anybody can open it. Takes milliseconds whatever the cache holds; what has to be looked at is looked
 * at when it is asked for, or behind everybody's back.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { createAbortController } from '../base/abort.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import type { CacheOptions } from './cache-options.ts';
import { Catalog } from './catalog.ts';
import { startClock } from './clock.ts';
import { fileSystemOf, requireLocal } from './file-system.ts';
import { CacheLayout } from './layout.ts';
import { Partials } from './partials.ts';
import { type CacheParts, createCounters } from './parts.ts';
import { emptyTmp, Recovery, readBootId, setFilesAside } from './recover.ts';
import { NO_RESIDENCY } from './residency.ts';
import { State } from './state.ts';

export interface OpenedCache {
  readonly parts: CacheParts;
  readonly recovery: Recovery;
  readonly bootId: string;
  /** The last owner did not close it. */
  readonly crashed: boolean;
  /** Aborts `parts.closing`. */
  readonly closing: AbortController;
}

/** @throws ERR_CACHE_LOCKED, ERR_CACHE_FULL, ERR_PERMISSION, ERR_IO */
export async function openCache(options: CacheOptions): Promise<OpenedCache> {
  const layout = new CacheLayout(options.dir);
  try {
    const isNew = await layout.createFolders();
    // Before the lock is asked for, which might be worth nothing there.
    const fileSystem = await fileSystemOf(options.dir);
    requireLocal(options.dir, fileSystem);
    const state = await openState(layout);
    try {
      return await openParts(options, layout, state, { isNew, fileSystem });
    } catch (error) {
      await state.close();
      throw error;
    }
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `Cannot open the cache ${options.dir}`);
  }
}

async function openParts(
  options: CacheOptions,
  layout: CacheLayout,
  state: State,
  { isNew, fileSystem }: { isNew: boolean; fileSystem: string },
): Promise<OpenedCache> {
  const [bootId, { catalog, meta }] = await Promise.all([
    options.bootId ?? readBootId(),
    Catalog.open(state),
    writeFile(layout.lock, `${process.pid}\n`),
    emptyTmp(layout),
  ]);
  const isSameBoot = bootId !== '' && bootId === meta.bootId;
  // Before anybody can open a file in it.
  if (!isNew && !meta.clean && !isSameBoot) await setFilesAside(layout);
  await catalog.putMeta({ bootId, clean: false });
  const closing = createAbortController();
  const parts: CacheParts = {
    layout,
    addon: options.addon,
    state,
    catalog,
    partials: new Partials(layout),
    residency: options.residency ?? NO_RESIDENCY,
    counters: createCounters(),
    lock: new KeyedLock(),
    dirty: new Set(),
    closing: closing.signal,
    now: options.now ?? startClock(await catalog.newestUse()),
    fileSystem,
  };
  const recovery = await Recovery.open(parts);
  return { parts, recovery, bootId, crashed: !meta.clean, closing };
}

async function openState(layout: CacheLayout): Promise<State> {
  try {
    return (await State.open(layout.state)).state;
  } catch (error) {
    if (!isG8Error(error, 'ERR_CACHE_LOCKED')) throw error;
    const pid = (await readFile(layout.lock, 'latin1').catch(() => '')).trim();
    const owner = /^\d+$/.test(pid) ? ` by process ${pid}` : '';
    throw new G8Error('ERR_CACHE_LOCKED', `The cache ${layout.dir} is in use${owner}`, {
      cause: error,
      details: { dir: layout.dir, pid },
    });
  }
}
