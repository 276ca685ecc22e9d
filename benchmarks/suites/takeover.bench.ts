/**
 * Kills the mount daemon (`--kills`, 100 unless told) and replaces it (`--upgrades`, 10) under readers that compare
 * every byte: `support/takeover.ts`. Anything that fails or is wrong ends it with an error. Needs root and python3.
 */
import { type SuiteOptions, withFolder } from '../harness.ts';
import { takeover } from '../support/takeover.ts';

const KILLS = 100;
const KILLS_QUICK = 10;
const UPGRADES = 10;
const UPGRADES_QUICK = 2;

export async function runSuite(options: SuiteOptions): Promise<Record<string, unknown>> {
  const kills = options.kills ?? (options.quick ? KILLS_QUICK : KILLS);
  const upgrades = options.upgrades ?? (options.quick ? UPGRADES_QUICK : UPGRADES);
  const result = await withFolder((dir) => takeover({ dir, kills, upgrades }));
  const { failed, wrong, killPauses, upgradePauses, ...figures } = result;
  if (failed.length + wrong.length > 0) {
    throw new Error(`Readers noticed more than a pause: ${JSON.stringify({ failed, wrong })}`);
  }
  return {
    ...figures,
    failed: 0,
    wrong: 0,
    'pause of a kill, ms': killPauses,
    'pause of an upgrade, ms': upgradePauses,
  };
}
