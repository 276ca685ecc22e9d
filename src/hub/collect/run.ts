/** One collector at a time over all hubs of a catalogue: a lease that ends by itself when its holder dies. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { RUN } from '../catalogue/records.ts';

/** A holder that renews at a third of this and is dead or lost when it has not. */
export const LEASE_MS = 60_000;
const NAME = 'collector';

export interface Run {
  /** Names this run in what it writes. */
  readonly id: string;
  /** Aborted when the lease is lost, and with the caller's signal. */
  readonly signal: AbortSignal;
  /** For its files; gone afterwards. */
  readonly folder: string;
}

/**
 * Runs `work` while holding the lease.
 *
 * @throws ERR_CACHE_LOCKED while another one runs
 */
export async function withRun<T>(
  catalogue: Catalogue,
  options: { readonly tmpDir: string; readonly signal?: AbortSignal | undefined },
  work: (run: Run) => Promise<T>,
): Promise<T> {
  const id = randomUUID();
  const lost = new AbortController();
  const extend = () =>
    catalogue.transaction(async (transaction) => {
      const holder = await transaction.get(RUN, NAME);
      const now = Date.now();
      if (holder !== undefined && holder.by !== id && holder.until > now) {
        throw new G8Error('ERR_CACHE_LOCKED', 'Another run over the chunks is under way');
      }
      transaction.put(RUN, [NAME], { by: id, until: now + LEASE_MS });
    });
  await extend();
  const timer = setInterval(() => {
    extend().catch((error: unknown) => lost.abort(toG8Error(error, 'ERR_INTERNAL', 'Lease lost')));
  }, LEASE_MS / 3);
  let folder: string | undefined;
  try {
    await makeFolder(options.tmpDir);
    folder = await mkdtemp(join(options.tmpDir, 'collect-'));
    const signals = [lost.signal, ...(options.signal === undefined ? [] : [options.signal])];
    return await work({ id, signal: AbortSignal.any(signals), folder });
  } finally {
    clearInterval(timer);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    // The lease ends by itself where this fails, and the failure of the run says more.
    await release(catalogue, id).catch(() => {});
  }
}

/** Ends the lease of whoever had the catalogue open before, where it is open once. */
export async function endDeadRun(catalogue: Catalogue): Promise<void> {
  if (!catalogue.engine.isExclusive || (await catalogue.get(RUN, NAME)) === undefined) return;
  await catalogue.transaction(async (transaction) => transaction.delete(RUN, [NAME]));
}

async function release(catalogue: Catalogue, id: string): Promise<void> {
  await catalogue.transaction(async (transaction) => {
    const holder = await transaction.get(RUN, NAME);
    if (holder?.by === id) transaction.delete(RUN, [NAME]);
  });
}
