/** `g8ufs flist dump`: an image as text, one line for each name. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const dump = new Command('dump')
    .description('print everything a flist says of its tree as text, one line for each name')
    .argument('<flist>', 'flist file or URL')
    .action((flist: string) => run(context, flist));
  return addHelpSections(dump, {
    notes: [
      'The text is ASCII and the same for the same tree; g8ufs flist undump makes a flist of it again. Settings and stores that go with a flist are not part of its tree.',
    ],
    examples: [
      ['flist dump debian.flist > debian.dump', 'to keep, edit or compare'],
      ['flist dump --json debian.flist', 'the same as JSON, one object per line'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_NO_INPUT',
      'ERR_IO',
      'ERR_TIMEOUT',
    ],
  });
}

async function run(context: Context, flist: string): Promise<void> {
  const { withImage } = await import('../../image-access.ts');
  const { checkpoint } = await import('../../../base/abort.ts');
  const { dumpImage } = await import('../../../image/dump.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const { Output } = await import('../../ui/output.ts');
  await withImage(context, flist, async (image) => {
    const output = new Output(context);
    let count = 0;
    for (const line of dumpImage(image)) {
      if (++count % 4096 === 0) await checkpoint(context.signal);
      if (context.json) await output.write(jsonLine(wordsOf(line)));
      else await output.line(line);
    }
    await output.flush();
  });
}

/** The words of a line by their names; `chunk` and `xattr` may be there several times. */
function wordsOf(line: string): Record<string, string | string[]> {
  const [path = '', mode = '', owner = '', mtime = '', ...words] = line.split(' ');
  const named: Record<string, string | string[]> = { path, mode, owner, mtime };
  for (const word of words) {
    const at = word.indexOf('=');
    const [key, value] = [word.slice(0, at), word.slice(at + 1)];
    if (key === 'chunk' || key === 'xattr') {
      const list = named[`${key}s`];
      if (Array.isArray(list)) list.push(value);
      else named[`${key}s`] = [value];
    } else named[key] = value;
  }
  return named;
}
