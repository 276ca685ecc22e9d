/** `g8ufs man`: prints the manual page of a command. */
import { Command } from 'commander';
import { G8Error } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const man = new Command('man')
    .description('print the manual page of a command in roff')
    .argument('[command...]', 'words of the command; none for the program itself')
    .action((words: readonly string[]) => run(context, words));
  return addHelpSections(man, {
    examples: [
      ['man flist create | man -l -', 'to read it, where the pages are not installed'],
      ['man > /usr/local/share/man/man1/g8ufs.1', 'the page of the program, for all users'],
    ],
    failures: ['ERR_IO'],
  });
}

async function run(context: Context, words: readonly string[]): Promise<void> {
  const { manual } = await import('../describe/manual.ts');
  const { manPageName } = await import('../describe/man.ts');
  const page = (await manual()).get(manPageName(words));
  if (page === undefined) {
    throw new G8Error('ERR_USAGE', `There is no command '${words.join(' ')}'`);
  }
  const { writeAll } = await import('../ui/output.ts');
  await writeAll(context.stdout, page, context.signal);
}
