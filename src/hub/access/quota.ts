/** How much a user may upload: bytes that were new to the hub, in all. What is deleted is not given back. */
import type { Catalogue } from '../catalogue/catalogue.ts';
import { USAGE, USER } from '../catalogue/records.ts';
import { Problem } from '../problem.ts';

/** Counts bytes, before they are stored, for a user who has a quota. @throws Problem 403 above it */
export async function chargeQuota(
  catalogue: Catalogue,
  user: string,
  bytes: number,
): Promise<void> {
  const quota = (await catalogue.get(USER, user))?.quota;
  if (quota === undefined) return;
  await catalogue.transaction(async (transaction) => {
    const used = (await transaction.get(USAGE, user))?.bytes ?? 0;
    if (used + bytes > quota) {
      throw new Problem(403, `The quota of ${user} is used up: ${used} of ${quota} bytes`);
    }
    transaction.put(USAGE, [user], { bytes: used + bytes });
  });
}
