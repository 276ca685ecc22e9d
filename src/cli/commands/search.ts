/** `g8ufs search`: what a hub has. */
import { Command } from 'commander';
import type { FlistEntry } from '../../store/hub-protocol.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly hub?: string;
}

export function command(context: Context): Command {
  const search = new Command('search')
    .description('list the flists of a hub whose names have all words, or all that you may read')
    .argument('[word...]', 'parts of REPOSITORY/NAME, in upper or lower case')
    .option('--hub <url>', 'the hub (default: G8UFS_HUB)')
    .action((words: string[], flags: Flags) => run(context, words, flags));
  return addHelpSections(search, {
    examples: [
      ['search --hub https://hub.example debian', 'all with debian in their names'],
      ['search demo/', 'all of a repository'],
    ],
    settings: ['hub'],
    failures: [
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, words: readonly string[], flags: Flags): Promise<void> {
  const { formatSize } = await import('../../base/bytes.ts');
  const { escapeName } = await import('../../base/name-text.ts');
  const { hubOf, withHub } = await import('../hub-access.ts');
  const { signal } = context;
  const wanted = words.map((word) => word.toLowerCase());
  const found: FlistEntry[] = [];
  await withHub(context, await hubOf(context, flags.hub), async (client) => {
    for await (const flist of client.listFlists({ words, signal })) {
      // An older hub lists all.
      const name = `${flist.repository}/${flist.name}`.toLowerCase();
      if (wanted.every((word) => name.includes(word))) found.push(flist);
    }
  });
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, found);
    return;
  }
  const { printTable } = await import('../ui/table.ts');
  const rows = found.map(({ repository, name, size, updated }) => [
    escapeName(Buffer.from(`${repository}/${name}`)),
    formatSize(size),
    escapeName(Buffer.from(updated.replace(/\.\d+Z$/, 'Z'))),
  ]);
  const columns = [
    { title: 'Name' },
    { title: 'Size', align: 'right' as const },
    { title: 'Updated' },
  ];
  await printTable(context, columns, rows);
}
