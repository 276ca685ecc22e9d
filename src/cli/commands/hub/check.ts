/** `g8ufs hub check`: reads and verifies all chunks of a hub. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import { plural } from '../../../base/plural.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { addRunFlags, type RunFlags } from '../../hub-runs.ts';

interface Flags extends RunFlags {
  readonly repairFrom?: string;
}

/** As other commands that compare: 1 says that something was found. */
const FOUND = 1;

export function command(context: Context): Command {
  const check = new Command('check')
    .description('read all chunks of a hub, and look for those that flists need and that are gone')
    .option('--repair-from <url>', 'store that whole chunks are taken from, such as another hub')
    .action((flags: Flags) => run(context, flags));
  addRunFlags(check);
  return addHelpSections(check, {
    notes: ['Ends with status 1 when something is corrupt or missing still.'],
    examples: [
      ['hub check', 'now and then'],
      ['hub check --repair-from http://other-hub:8080', 'mend what is broken'],
    ],
    settings: ['hubData', 'hubCatalogue', 'hubChunks', 'hubListen'],
    failures: [
      'ERR_CACHE_LOCKED',
      'ERR_STORE_UNAVAILABLE',
      'ERR_PERMISSION',
      'ERR_CONFIG',
      'ERR_IO',
    ],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { checkResult } = await import('../../../store/hub-runs.ts');
  const { runOverHub } = await import('../../hub-runs.ts');
  const { repairFrom: url } = flags;
  const result = await runOverHub(context, flags, {
    word: 'check',
    body: url === undefined ? {} : { repairFrom: url },
    result: checkResult,
    here: async (storage, running) => {
      const { checkChunks } = await import('../../../hub/collect/check.ts');
      const { openStore } = await import('../../../store/open.ts');
      const repairFrom = url === undefined ? undefined : openStore(url);
      try {
        return await checkChunks(storage, { ...running, repairFrom });
      } finally {
        await repairFrom?.close();
      }
    },
  });
  const { chunks, bytes, corrupt, missing, repaired, damagedPackages, damaged } = result;
  if (corrupt + missing > repaired || damagedPackages.length > 0) context.setExitCode(FOUND);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
    return;
  }
  for (const { id, what } of damaged) context.stdout.write(`${what}  ${id}\n`);
  for (const digest of damagedPackages) context.stdout.write(`damaged package  ${digest}\n`);
  if (!context.quiet) {
    context.stdout.write(
      `${plural(chunks, 'chunk')}, ${formatSize(bytes)}: ${corrupt} corrupt, ${missing} missing, ${repaired} repaired\n`,
    );
  }
}
