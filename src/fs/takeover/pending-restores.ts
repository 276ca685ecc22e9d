/**
 * Mounts of a predecessor that are still being restored. They are somebody's: they are listed, what they use is not
 * removed, and whoever wants to do something with one of them waits for what becomes of it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createAbortController } from '../../base/abort.ts';
import type { MountRecord } from '../mount-record.ts';
import { heldRecord } from './held-record.ts';
import type { HeldState } from './held-state.ts';

interface Pending {
  readonly state: HeldState | undefined;
  readonly ended: Promise<void>;
  readonly end: () => void;
}

export class PendingRestores {
  readonly #pending = new Map<number, Pending>();

  get size(): number {
    return this.#pending.size;
  }

  add(id: number, state: HeldState | undefined): void {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#pending.set(id, { state, ended, end });
  }

  /** It is restored or set aside. Idempotent. */
  end(id: number): void {
    this.#pending.get(id)?.end();
    this.#pending.delete(id);
  }

  /** Mounts, as far as they are known without being served. */
  list(): MountRecord[] {
    const states = [...this.#pending.values()].map(({ state }) => state);
    return states
      .filter((state) => state?.kind === 'mount')
      .map((state) => ({ ...heldRecord(state), kept: true }));
  }

  /** Digests of their images. */
  images(): string[] {
    return this.list().map(({ image }) => image);
  }

  /** Until this mount point is nobody's here; what comes through a shared connection waits for all. */
  async settled(mountPoint: string): Promise<void> {
    const waits = [...this.#pending.values()];
    const hasObjects = waits.some(({ state }) => state?.kind === 'objects');
    const isThere = ({ state }: Pending): boolean =>
      state?.kind === 'mount' && state.request.mountPoint === mountPoint;
    await Promise.all(
      waits.filter((wait) => hasObjects || isThere(wait)).map(({ ended }) => ended),
    );
  }

  async ended(id: number): Promise<void> {
    await this.#pending.get(id)?.ended;
  }

  async allSettled(): Promise<void> {
    await Promise.all([...this.#pending.values()].map(({ ended }) => ended));
  }

  /** Until all are settled, for so long at most. */
  async settledWithin(ms: number): Promise<void> {
    if (this.size === 0) return;
    const over = createAbortController();
    const bound = delay(ms, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([this.allSettled(), bound]);
    over.abort();
  }
}
