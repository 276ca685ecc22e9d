/** A mount in the table of mounts: what it uses, and how far its end is. */
import { overlayCache } from './kernel/overlay.ts';
import type { MadeMount } from './make-mount.ts';
import type { ServedMount } from './mount-record.ts';
import { findMount, readMountinfo } from './mountinfo.ts';
import type { HeldMount } from './takeover/keeper.ts';

export interface Mounted extends ServedMount, MadeMount {
  /** Settles when the kernel has let go: after a lazy unmount that is when the last file is closed. */
  readonly ended: Promise<void>;
  held: HeldMount | undefined;
  closing: Promise<void> | undefined;
  /** The start profile is written. */
  recorded: Promise<void> | undefined;
  /** What it used is closed as well. */
  finished: Promise<void> | undefined;
}

/** The moment when the kernel lets go of a mount, which may come before anybody waits for it. */
export class End {
  readonly promise: Promise<void>;
  come: () => void = () => {};

  constructor() {
    this.promise = new Promise((resolve) => {
      this.come = resolve;
    });
  }

  /** Calls back when it has come, never at once. */
  onCome(call: () => void): void {
    void this.promise.then(call);
  }
}

type Life = Pick<Mounted, 'since' | 'ended' | 'closing' | 'recorded' | 'finished'>;

export function lifeOf(end: End, since: Date): Life {
  return {
    since,
    ended: end.promise,
    closing: undefined,
    recorded: undefined,
    finished: undefined,
  };
}

/** A mount of a predecessor is still where it was. */
export function isMounted({ request, lower, session }: Mounted): boolean {
  if (session.tier === 'kernel') {
    const top = findMount(request.mountPoint);
    return top !== undefined && overlayCache(top) !== undefined;
  }
  const place = lower ?? request.mountPoint;
  return readMountinfo().some(
    ({ mountPoint, device }) => mountPoint === place && device === `0:${session.device}`,
  );
}
