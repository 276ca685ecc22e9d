/**
 * Makes one mount: in the kernel tier, or by a driver, with an overlay on top when it shall be writable.
 * What fails leaves nothing behind. The table of mounts decides whether and when.
 */
import { rm } from 'node:fs/promises';
import { abortError } from '../base/abort.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { ChunkStore } from '../store/store.ts';
import type { DriverOptions, ExplainedSession } from './driver.ts';
import { driverOptions, sourceName } from './driver-options.ts';
import type { Image } from './images.ts';
import type { Logger } from './log.ts';
import type { MountRequest } from './mount-record.ts';
import { mountOverlay } from './overlay.ts';
import type { HeldMountState } from './takeover/held-state.ts';

/** Starts the two kinds of mounts. */
export interface MountMakers {
  readonly openDriver: (
    request: MountRequest,
    options: DriverOptions,
    store: ChunkStore,
    onEnd: () => void,
  ) => Promise<ExplainedSession>;
  /** Mounts in the kernel tier, the upper folder included. Leaves nothing behind when it fails. */
  readonly openKernel: (
    request: MountRequest,
    image: Image,
    store: ChunkStore,
    onEnd: () => void,
  ) => Promise<ExplainedSession>;
  /** Goes on with an overlay of the kernel tier that a predecessor has mounted. */
  readonly adoptKernel: (order: Omit<MountOrder, 'lower'>) => Promise<ExplainedSession>;
  readonly log: Logger;
  /** Mounts are held by a keeper. */
  readonly keep?: boolean;
}

export interface MountOrder {
  readonly request: MountRequest;
  readonly image: Image;
  readonly store: ChunkStore;
  /** Where a driver mounts when an overlay comes on top; made when it is needed. */
  readonly lower: string;
  /** Called once when the kernel has let go of what was mounted. */
  readonly onEnd: () => void;
}

export interface MadeMount {
  readonly session: ExplainedSession;
  /** Where the session itself is mounted when an overlay is on top. */
  readonly lower: string | undefined;
  /** Why the kernel tier was not taken although it was preferred. */
  readonly fallback: string | undefined;
}

/** @throws whatever the driver or the kernel tier throws */
export async function makeMount(makers: MountMakers, order: MountOrder): Promise<MadeMount> {
  const { request, image, store, onEnd } = order;
  if (request.tier === 'fuse') return await makeFuseMount(makers, order, undefined);
  try {
    const session = await makers.openKernel(request, image, store, onEnd);
    return { session, lower: undefined, fallback: undefined };
  } catch (error) {
    const failure = toG8Error(error, 'ERR_MOUNT', 'Mount in the kernel tier failed');
    const { code, message: reason } = failure;
    if (request.tier === 'kernel' || code === 'ERR_ABORTED') {
      throw new G8Error(code, `The kernel tier cannot be used: ${reason}`, { cause: failure });
    }
    makers.log.warn({ mountPoint: request.mountPoint, code, reason }, 'mounted by FUSE');
    return await makeFuseMount(makers, order, reason);
  }
}

async function makeFuseMount(
  makers: MountMakers,
  { request, image, store, lower, onEnd }: MountOrder,
  fallback: string | undefined,
): Promise<MadeMount> {
  const { upper, work, mountPoint } = request;
  const source = sourceName(request.source);
  let session: ExplainedSession | undefined;
  // The kernel may end the connection while the mount is still being made.
  let ended = false;
  try {
    if (upper !== undefined) await makeFolder(lower, { mode: 0o700 });
    const options: DriverOptions = {
      ...driverOptions(request, image.dir, upper === undefined ? mountPoint : lower),
      ...(makers.keep === true ? { keep: true } : {}),
    };
    session = await makers.openDriver(request, options, store, () => {
      ended = true;
      onEnd();
    });
    if (ended) throw new G8Error('ERR_MOUNT', `${options.mountPoint} was unmounted from outside`);
    if (upper === undefined) return { session, lower: undefined, fallback };
    await mountOverlay({ lower, upper, work, mountPoint, source });
    return { session, lower, fallback };
  } catch (error) {
    try {
      await session?.close({ lazy: true });
      if (upper !== undefined) await rm(lower, { recursive: true, force: true });
    } catch (failure) {
      // Why it failed matters more than what is left.
      makers.log.error({ err: failure }, 'clean-up of a failed mount failed');
    }
    throw error;
  }
}

/**
 * Goes on with a mount that a keeper has held. What fails leaves it as it is.
 *
 * @param givenUp aborted when nobody wants it any more
 * @throws ERR_MOUNT, ERR_FLIST_FORMAT, ERR_NO_INPUT; the reason of the signal
 */
export async function adoptMount(
  makers: MountMakers,
  order: Omit<MountOrder, 'lower'>,
  { id, state }: { readonly id: number; readonly state: HeldMountState },
  givenUp: AbortSignal,
): Promise<ExplainedSession> {
  const session = await (state.tier === 'fuse'
    ? adoptFuse(makers, order, { id, lower: state.lower })
    : makers.adoptKernel(order));
  if (!givenUp.aborted) return session;
  await session.close({ lazy: true, leaveMounted: true });
  throw abortError(givenUp);
}

/** @param lower where its connection is mounted when an overlay is on top */
async function adoptFuse(
  makers: MountMakers,
  { request, image, store, onEnd }: Omit<MountOrder, 'lower'>,
  held: { readonly id: number; readonly lower: string | undefined },
): Promise<ExplainedSession> {
  const options = driverOptions(request, image.dir, held.lower ?? request.mountPoint);
  return await makers.openDriver(request, { ...options, adopt: held.id }, store, onEnd);
}
