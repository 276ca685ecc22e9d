/**
 * Mounts of a predecessor that could not be restored. Their connections are let go, so that their users get
 * errors instead of waiting; they are listed until somebody takes them away, across further daemons.
 */
import { rm } from 'node:fs/promises';
import type { Logger } from '../log.ts';
import type { MountRecord } from '../mount-record.ts';
import { findMount } from '../mountinfo.ts';
import { unmount } from '../unmount.ts';
import { heldRecord } from './held-record.ts';
import {
  encodeState,
  type HeldMountState,
  type HeldState,
  type QuarantineReason,
} from './held-state.ts';
import type { MountKeeper } from './keeper.ts';

interface Entry {
  readonly id: number;
  readonly state: HeldMountState;
  readonly reason: QuarantineReason;
}

export class Quarantine {
  readonly #keeper: MountKeeper | undefined;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();

  constructor(keeper: MountKeeper | undefined, log: Logger) {
    this.#keeper = keeper;
    this.#log = log;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param state `undefined` when it cannot be read: then nobody knows what it was, and it is dropped */
  async add(id: number, state: HeldState | undefined, reason: QuarantineReason): Promise<void> {
    const mountPoint = state?.kind === 'mount' ? state.request.mountPoint : undefined;
    this.#log.error({ mountPoint, ...reason }, 'a mount cannot be restored');
    if (state?.kind !== 'mount') {
      await this.#keeper?.drop(id);
      return;
    }
    await this.#keeper?.giveUp(id, encodeState({ ...state, quarantine: reason }));
    this.#entries.set(state.request.mountPoint, { id, state, reason });
  }

  list(): MountRecord[] {
    return [...this.#entries.values()].map(({ state, reason }) => ({
      ...heldRecord(state),
      restoring: false,
      kept: false,
      quarantine: reason,
    }));
  }

  /** Takes one away; false when there is none at this mount point. @throws ERR_MOUNT, ERR_PERMISSION */
  async drop(mountPoint: string): Promise<boolean> {
    const entry = this.#entries.get(mountPoint);
    if (entry === undefined) return false;
    const { lower } = entry.state;
    for (const place of [mountPoint, ...(lower === undefined ? [] : [lower])]) {
      const type = findMount(place)?.type;
      const isOurs = type === 'fuse.g8ufs' || (type === 'overlay' && place === mountPoint);
      if (isOurs) await unmount(place, true);
    }
    if (lower !== undefined) await rm(lower, { recursive: true, force: true });
    this.#entries.delete(mountPoint);
    await this.#keeper?.drop(entry.id);
    return true;
  }
}
