/** `g8ufs profile publish`: puts a start profile beside its flist on a hub. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const publish = new Command('publish')
    .description('put a start profile beside its flist on a hub')
    .argument('<profile>', 'profile')
    .argument('<url>', 'flist on the hub: http://HUB/REPOSITORY/NAME')
    .action((profile: string, url: string) => run(context, profile, url));
  return addHelpSections(publish, {
    notes: [
      'Whoever mounts the flist from the hub gets it along. A profile that is there is replaced.',
    ],
    examples: [
      ['profile publish debian.flist.profile http://127.0.0.1:8080/demo/debian', 'for all mounts'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_FLIST_VERSION',
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
    ],
  });
}

async function run(context: Context, place: string, url: string): Promise<void> {
  const { flistUrl, hubFlist, withHub } = await import('../../hub-access.ts');
  const { formatProfile } = await import('../../../format/profile.ts');
  const { profilePlace, readProfile } = await import('../../../image/profile-files.ts');
  const target = await hubFlist(context, url);
  const profile = await readProfile(place, context.signal);
  if (profile === undefined) throw new G8Error('ERR_NO_INPUT', `${place} does not exist`);
  await withHub(context, target.hub, async (client) => {
    const { signal } = context;
    await client.uploadProfile(target, formatProfile(profile), { signal });
    const published = profilePlace(flistUrl(client.name, target));
    if (context.json) {
      const { printJson } = await import('../../ui/json.ts');
      await printJson(context, { url: published, entries: profile.entries.length });
    } else if (!context.quiet) {
      context.stdout.write(`${published}\n`);
    }
  });
}
