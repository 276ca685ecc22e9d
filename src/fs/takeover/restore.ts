/**
 * Goes on with the mounts of a predecessor, each by itself: one that cannot be restored is set aside and the
 * others live. All begin at once; those whose restoring has ended a daemon before come after them, one by
 * one, so that the next crash says which it was.
 */
import { toG8Error } from '../../base/errors.ts';
import type { HeldEntry } from '../../native/addon.ts';
import type { Logger } from '../log.ts';
import {
  decodeState,
  type HeldMountState,
  type HeldState,
  type QuarantineReason,
} from './held-state.ts';
import type { MountKeeper } from './keeper.ts';
import type { Quarantine } from './quarantine.ts';

/** A daemon that was killed while it restored a mount may have had another reason: once is none. */
const ATTEMPTS_MAX = 2;

export interface RestoreOptions {
  readonly keeper: MountKeeper;
  readonly quarantine: Quarantine;
  readonly log: Logger;
  readonly restoreMount: (entry: HeldEntry, state: HeldMountState) => Promise<void>;
  readonly restoreObjects: (entry: HeldEntry) => Promise<void>;
  /** Takes away the connection of contents, which could not be restored. */
  readonly loseObjects: () => Promise<void>;
  /** Called when all mounts that read through it are there. */
  readonly resumeObjects: () => Promise<void>;
}

export interface ParsedEntry {
  readonly entry: HeldEntry;
  /** `undefined` when it cannot be read. */
  readonly state: HeldState | undefined;
  readonly reason: QuarantineReason | undefined;
}

/** Reads the states; whatever is wrong with one is for {@link restoreAll}. */
export function parseEntries(entries: readonly HeldEntry[]): ParsedEntry[] {
  return entries.map((entry) => {
    try {
      const state = decodeState(entry.state);
      return { entry, state, reason: state.kind === 'mount' ? state.quarantine : undefined };
    } catch (error) {
      return { entry, state: undefined, reason: reasonOf(error) };
    }
  });
}

/** Places of mounts below the run folder that live on. */
export function keptPlaces(entries: readonly ParsedEntry[], objectsDir: string): Set<string> {
  const places = new Set<string>();
  for (const { state, reason } of entries) {
    if (reason !== undefined) continue;
    if (state?.kind === 'objects') places.add(objectsDir);
    if (state?.kind === 'mount' && state.lower !== undefined) places.add(state.lower);
  }
  return places;
}

/** What fails is in quarantine. @throws what {@link RestoreOptions.resumeObjects} and `loseObjects` do */
export async function restoreAll(
  entries: readonly ParsedEntry[],
  options: RestoreOptions,
): Promise<void> {
  // Overlays of the kernel tier read through it.
  const objects = entries.filter(({ state }) => state?.kind === 'objects');
  let areObjectsThere = false;
  for (const parsed of objects) areObjectsThere = await restoreOne(parsed, options);
  if (!areObjectsThere && objects.length > 0) await options.loseObjects();
  const mounts = entries
    .filter(({ state }) => state?.kind !== 'objects')
    .map((parsed) => (areObjectsThere ? parsed : withoutObjects(parsed)));
  const isFirst = ({ entry }: ParsedEntry): boolean => entry.attempts === 0;
  await Promise.all(mounts.filter(isFirst).map((parsed) => restoreOne(parsed, options)));
  for (const parsed of mounts) if (!isFirst(parsed)) await restoreOne(parsed, options);
  if (areObjectsThere) await options.resumeObjects();
  await options.keeper.ready();
}

/** An overlay whose contents would come through a connection that is gone looks whole, and is not. */
function withoutObjects(parsed: ParsedEntry): ParsedEntry {
  const { state, reason } = parsed;
  if (state?.kind !== 'mount' || state.tier !== 'kernel' || reason !== undefined) return parsed;
  const message = 'The connection that its contents come through cannot be restored';
  return { ...parsed, reason: { code: 'ERR_MOUNT', message } };
}

/** @returns whether it lives on */
async function restoreOne(
  { entry, state, reason }: ParsedEntry,
  options: RestoreOptions,
): Promise<boolean> {
  const { keeper, quarantine, log, restoreMount, restoreObjects } = options;
  const { id, attempts } = entry;
  try {
    if (reason === undefined && attempts < ATTEMPTS_MAX && state !== undefined) {
      await keeper.restoring(id);
      if (state.kind === 'objects') await restoreObjects(entry);
      else await restoreMount(entry, state);
      await keeper.restored(id);
      return true;
    }
    const crashed = `A daemon has died ${attempts} times while it restored this mount`;
    const why = reason ?? { code: 'ERR_INTERNAL', message: crashed };
    await quarantine.add(id, state, why);
  } catch (error) {
    log.debug({ err: error }, 'a mount cannot be restored');
    await quarantine.add(id, state, reasonOf(error));
  }
  return false;
}

function reasonOf(error: unknown): QuarantineReason {
  const { code, message } = toG8Error(error, 'ERR_INTERNAL', 'The mount cannot be restored');
  return { code, message };
}
