/** `g8ufs tag`: links of tags on a hub. */
import { Command } from 'commander';
import { G8Error } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly as?: string;
  readonly remove?: boolean;
}

export function command(context: Context): Command {
  const tag = new Command('tag')
    .description('put a flist of a hub under a tag, a named set of flists')
    .argument('<flist>', 'what: http://HUB/REPOSITORY/NAME, or REPOSITORY/NAME at G8UFS_HUB')
    .argument('<tag>', 'the tag: REPOSITORY/TAG, of the same hub')
    .option('--as <name>', 'name that the flist has in the tag (default: its own)')
    .option('--remove', 'take it out of the tag')
    .action((flist: string, name: string, flags: Flags) => run(context, flist, name, flags));
  return addHelpSections(tag, {
    notes: [
      'The link is read as http://HUB/REPOSITORY/tags/TAG/NAME.flist and follows the flist: what is published under its name later is read through the tag as well. A tag comes with its first link and goes with its last.',
    ],
    examples: [
      ['tag https://hub.example/demo/web demo/stable', 'as tags/stable/web.flist of demo'],
      ['tag demo/web-2 demo/stable --as web', 'another flist by the same name'],
      ['tag demo/web demo/stable --remove', 'take it out again'],
    ],
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

async function run(context: Context, flist: string, name: string, flags: Flags): Promise<void> {
  const { hubFlist, withHub } = await import('../hub-access.ts');
  const from = await hubFlist(context, flist);
  const match = /^([^/]+)\/([^/]+)$/.exec(name);
  if (match === null) throw new G8Error('ERR_USAGE', 'The tag is not of the form REPOSITORY/TAG');
  const [, repository, tag] = match as unknown as [string, string, string];
  const link = { repository, tag, name: (flags.as ?? from.name).replace(/\.flist$/, '') };
  const { signal } = context;
  const url = await withHub(context, from.hub, async (client) => {
    if (flags.remove === true) await client.removeTag(link, { signal });
    else await client.setTag(link, from, { signal });
    const path = [repository, 'tags', tag, `${link.name}.flist`].map(encodeURIComponent);
    return `${client.name}/${path.join('/')}`;
  });
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { url, removed: flags.remove === true });
  } else if (!context.quiet && flags.remove !== true) {
    context.stdout.write(`${url}\n`);
  }
}
