/** Bounds the audit log: lines that are too old, and the oldest of too many, are deleted. */
import { throwIfAborted } from '../../base/abort.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { AUDIT } from '../catalogue/records.ts';

/** Lines of one transaction. */
const PART_COUNT = 256;

export interface AuditBound {
  readonly countMax: number;
  readonly ageMsMax: number;
}

/** @returns how many lines are gone. Two hubs may do it at the same time. */
export async function pruneAudit(
  catalogue: Catalogue,
  { countMax, ageMsMax }: AuditBound,
  signal: AbortSignal,
  now: number = Date.now(),
): Promise<number> {
  let kept = 0;
  let pruned = 0;
  let part: string[] = [];
  const flush = async () => {
    throwIfAborted(signal);
    const keys = part;
    part = [];
    await catalogue.transaction(async (transaction) => {
      for (const key of keys) transaction.delete(AUDIT, [key]);
    });
    pruned += keys.length;
  };
  // The newest first.
  for await (const { parts, value } of catalogue.list(AUDIT, [])) {
    throwIfAborted(signal);
    if (kept < countMax && now - value.time <= ageMsMax) kept++;
    else part.push(parts[0] as string);
    if (part.length === PART_COUNT) await flush();
  }
  if (part.length > 0) await flush();
  return pruned;
}
