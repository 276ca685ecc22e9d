/** Kills a hub 200 times (`--quick`: 20) during uploads, merges, removals and collections: `support/hub-crash`. */
import { join } from 'node:path';
import { type SuiteOptions, withFolder } from '../harness.ts';
import { crashHub } from '../support/hub-crash/crash.ts';

const ROUNDS = 200;
const ROUNDS_QUICK = 20;

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const program = [join(process.cwd(), 'bin/g8ufs.js')];
  const result = await withFolder((dir) =>
    crashHub({
      program,
      dir,
      rounds: quick ? ROUNDS_QUICK : ROUNDS,
      onRound: (round, found) => {
        if (round % ROUNDS_QUICK === 0) console.error(`round ${round}: ${found.length} violations`);
      },
    }),
  );
  const { violations, ...figures } = result;
  if (violations.length > 0)
    throw new Error(
      `The hub has lost something: ${violations.join('; ')} ${JSON.stringify(figures)}`,
    );
  return { ...figures, violations: 0 };
}
