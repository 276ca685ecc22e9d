/**
 * Goes on with the mounts of a predecessor, each by itself: one that cannot be restored is set aside and the
 * others live. All begin at once; those whose restoring has ended a daemon before come after them, one by
 * one, so that the next crash says which it was.
 */
import { createAbortController } from '../../base/abort.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import type { HeldEntry } from '../../native/addon.ts';
import type { Logger } from '../log.ts';
import { BoundedRestore } from './bounded-restore.ts';
import {
  decodeState,
  type HeldMountState,
  type HeldState,
  type QuarantineReason,
} from './held-state.ts';
import type { MountKeeper } from './keeper.ts';
import type { PendingRestores } from './pending-restores.ts';
import type { Quarantine } from './quarantine.ts';

/** A daemon that was killed while it restored a mount may have had another reason: once is none. */
const ATTEMPTS_MAX = 2;

export interface RestoreOptions {
  readonly keeper: MountKeeper;
  readonly quarantine: Quarantine;
  readonly log: Logger;
  readonly pending: PendingRestores;
  /** @param givenUp aborted when it took too long: what it has made by then is taken away again */
  readonly restoreMount: (
    entry: HeldEntry,
    state: HeldMountState,
    givenUp: AbortSignal,
  ) => Promise<void>;
  readonly restoreObjects: (entry: HeldEntry) => Promise<void>;
  /** Takes away the connection of contents, which could not be restored. */
  readonly loseObjects: () => Promise<void>;
  /** Called when all mounts that read through it are there. */
  readonly resumeObjects: () => Promise<void>;
  /** The disk of the cache does not answer: whoever waits for it has not failed. */
  readonly isDiskAway: () => boolean;
  /** For tests; default `RESTORE_SILENCE_MS`. */
  readonly silenceMs?: number;
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

/**
 * What fails, or does not come to an end, is in quarantine. While the disk does not answer, a mount that needs it is
 * neither: it is held, its users wait, and it goes on when the disk does.
 *
 * @throws what {@link RestoreOptions.resumeObjects} and `loseObjects` do
 */
export async function restoreAll(
  entries: readonly ParsedEntry[],
  options: RestoreOptions,
): Promise<void> {
  const { pending } = options;
  for (const { entry, state } of entries) pending.add(entry.id, state);
  const bound = new BoundedRestore(options.silenceMs);
  const restore = (parsed: ParsedEntry): Promise<Outcome> => restoreOne(parsed, bound, options);
  // Overlays of the kernel tier read through it.
  const objects = entries.filter(({ state }) => state?.kind === 'objects');
  let areObjectsThere = false;
  for (const parsed of objects) areObjectsThere = (await restore(parsed)) === 'restored';
  if (!areObjectsThere && objects.length > 0) await options.loseObjects();
  const mounts = entries
    .filter(({ state }) => state?.kind !== 'objects')
    .map((parsed) => (areObjectsThere ? parsed : withoutObjects(parsed)));
  const isFirst = ({ entry }: ParsedEntry): boolean => entry.attempts === 0;
  await Promise.all(mounts.filter(isFirst).map(restore));
  await oneByOne(
    mounts.filter((each) => !isFirst(each)),
    restore,
    pending,
  );
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

type Outcome = 'restored' | 'aside' | 'waiting';

/** Returns at one that waits for the disk: those behind it would as well, each with a thread. They come after it. */
async function oneByOne(
  mounts: readonly ParsedEntry[],
  restore: (parsed: ParsedEntry) => Promise<Outcome>,
  pending: PendingRestores,
): Promise<void> {
  for (const [i, parsed] of mounts.entries()) {
    if ((await restore(parsed)) !== 'waiting') continue;
    const rest = mounts.slice(i + 1);
    void pending.ended(parsed.entry.id).then(() => oneByOne(rest, restore, pending));
    return;
  }
}

async function restoreOne(
  { entry, state, reason }: ParsedEntry,
  bound: BoundedRestore,
  options: RestoreOptions,
): Promise<Outcome> {
  const { keeper, pending } = options;
  const { id, attempts } = entry;
  const setAside = async (why: QuarantineReason): Promise<Outcome> => {
    await options.quarantine.add(id, state, why);
    pending.end(id);
    return 'aside';
  };
  const fail = async (error: unknown): Promise<Outcome> => {
    options.log.debug({ err: error }, 'a mount cannot be restored');
    return await setAside(reasonOf(error));
  };
  if (reason !== undefined) return await setAside(reason);
  if (attempts >= ATTEMPTS_MAX || state === undefined) {
    const message = `A daemon has died ${attempts} times while it restored this mount`;
    return await setAside({ code: 'ERR_INTERNAL', message });
  }
  const givenUp = createAbortController();
  const work = begin(entry, state, givenUp.signal, options);
  const finish = async (): Promise<Outcome> => {
    await keeper.restored(id);
    pending.end(id);
    return 'restored';
  };
  try {
    if (await bound.run(work)) return await finish();
  } catch (error) {
    return await fail(error);
  }
  if (state.kind === 'mount' && options.isDiskAway()) {
    const { mountPoint } = state.request;
    options.log.warn({ mountPoint }, 'a mount waits for the disk of the cache');
    // However this process ends: it was not this mount's doing.
    await keeper.restored(id);
    void work.then(finish).catch(fail);
    return 'waiting';
  }
  const message = 'Restoring the mount did not come to an end';
  const error = new G8Error('ERR_TIMEOUT', message);
  givenUp.abort(error);
  // What it comes to is nobody's any more.
  work.catch((late: unknown) => options.log.debug({ err: late }, 'a restore that was given up'));
  return await fail(error);
}

async function begin(
  entry: HeldEntry,
  state: HeldState,
  givenUp: AbortSignal,
  { keeper, restoreMount, restoreObjects }: RestoreOptions,
): Promise<void> {
  await keeper.restoring(entry.id);
  if (state.kind === 'objects') await restoreObjects(entry);
  else await restoreMount(entry, state, givenUp);
}

function reasonOf(error: unknown): QuarantineReason {
  const { code, message } = toG8Error(error, 'ERR_INTERNAL', 'The mount cannot be restored');
  return { code, message };
}
