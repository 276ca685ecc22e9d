/** `g8ufs rm`: takes flists off a hub. */
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const rm = new Command('rm')
    .description('take flists off a hub; its garbage collection deletes their chunks')
    .argument('<flist...>', 'what: http://HUB/REPOSITORY/NAME, or REPOSITORY/NAME at G8UFS_HUB')
    .action((flists: string[]) => run(context, flists));
  return addHelpSections(rm, {
    notes: ['To remove files from a flist: g8ufs flist rm.'],
    examples: [['rm https://hub.example/demo/web', 'with its signature and start profile']],
    settings: ['hub'],
    failures: [
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, names: readonly string[]): Promise<void> {
  const { flistUrl, hubFlist, withHub } = await import('../hub-access.ts');
  // All are looked at before the first is gone.
  const flists = await Promise.all(names.map((name) => hubFlist(context, name)));
  const removed: string[] = [];
  for (const flist of flists) {
    await withHub(context, flist.hub, async (client) => {
      await client.deleteFlist(flist, { signal: context.signal });
      removed.push(flistUrl(client.name, flist));
    });
  }
  if (!context.json) return;
  const { printJson } = await import('../ui/json.ts');
  await printJson(context, { removed });
}
