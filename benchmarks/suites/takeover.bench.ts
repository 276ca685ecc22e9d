/**
 * Kills the mount daemon (`--kills`, 100 unless told) and replaces it (`--upgrades`, 10) under loads that notice any
 * wrong byte, when it has worked for 50 ms to 0.9 s (`--uptime`): `support/takeover`. Anything that fails or is wrong ends it with an error. Needs root, fio, runc,
 * busybox and python3.
 */
import { type SuiteOptions, withFolder } from '../harness.ts';
import { UPTIME_MS_MAX } from '../support/takeover/ends.ts';
import { type Endured, takeover } from '../support/takeover/takeover.ts';

const KILLS = 100;
const KILLS_QUICK = 10;
const UPGRADES = 10;
const UPGRADES_QUICK = 2;

export async function runSuite(options: SuiteOptions): Promise<Record<string, unknown>> {
  const kills = options.kills ?? (options.quick ? KILLS_QUICK : KILLS);
  const upgrades = options.upgrades ?? (options.quick ? UPGRADES_QUICK : UPGRADES);
  const uptimeMsMax = options.uptime === undefined ? UPTIME_MS_MAX : options.uptime * 1000;
  const result = await withFolder((dir) => takeover({ dir, kills, upgrades, uptimeMsMax }));
  const rows = { ...rowsOf('kill', result.kills), ...rowsOf('upgrade', result.upgrades) };
  if (result.errors.length > 0) {
    const seen = JSON.stringify(rows, undefined, 2);
    throw new Error(`Loads noticed more than a pause: ${result.errors.join('\n')}\n${seen}`);
  }
  return { ...rows, fetchedChunks: result.fetchedChunks };
}

function rowsOf(name: string, endured: Endured | undefined): Record<string, unknown> {
  if (endured === undefined) return {};
  const { count, pauses, pausesAgain, loads } = endured;
  return {
    [`${name}s`]: count,
    [`pause of a ${name}, ms`]: pauses,
    ...(pausesAgain.count > 0 && { [`pause of a ${name} before it works, ms`]: pausesAgain }),
    ...Object.fromEntries(
      Object.entries(loads).map(([load, figures]) => [`under ${name}s: ${load}`, figures]),
    ),
  };
}
