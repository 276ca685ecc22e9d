/** `g8ufs flist init`: an image with nothing in it. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import { birthOf } from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const init = new Command('init')
    .description('make a flist with nothing in it')
    .argument('<flist>', 'file to write; it must not be there')
    .action((flist: string) => run(context, flist));
  return addHelpSections(init, {
    notes: [
      'The root directory gets mode 0755, owner 0:0 and the present time, or that of SOURCE_DATE_EPOCH.',
    ],
    examples: [['flist init new.flist', 'begin an image']],
    failures: ['ERR_CREATE', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, flist: string): Promise<void> {
  const { existsSync } = await import('node:fs');
  const { packTree } = await import('../../../image/pack.ts');
  const { newDirectory } = await import('../../../format/edit/entries.ts');
  if (existsSync(flist)) throw new G8Error('ERR_CREATE', `${flist} is there already`);
  const { signal } = context;
  const { flistSize } = await packTree(newDirectory(birthOf(context, 0o755)), flist, { signal });
  if (!context.json) return;
  const { printJson } = await import('../../ui/json.ts');
  await printJson(context, { output: flist, changed: true, kind: 'ours', flistSize, lost: [] });
}
