/** `g8ufs profile merge`: several start profiles as one. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Profile } from '../../../format/profile.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const merge = new Command('merge')
    .description('put start profiles together, what each needs early first')
    .argument('<output>', 'file to write')
    .argument('<profile...>', 'profiles or their URLs')
    .action((output: string, profiles: string[]) => run(context, output, profiles));
  return addHelpSections(merge, {
    notes: [
      'The first entries of all come first, then the second ones, and so on; nothing comes twice. The result is always the same for the same profiles in the same order.',
    ],
    examples: [
      ['profile merge app.flist.profile start.profile backup.profile', 'two uses of one image'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_FLIST_VERSION',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
    ],
  });
}

async function run(context: Context, output: string, places: readonly string[]): Promise<void> {
  const { formatProfile, mergeProfiles } = await import('../../../format/profile.ts');
  const { readProfile } = await import('../../../image/profile-files.ts');
  const { writeWholeFile } = await import('../../../image/output.ts');
  const profiles: Profile[] = [];
  for (const place of places) {
    const profile = await readProfile(place, context.signal);
    if (profile === undefined) throw new G8Error('ERR_NO_INPUT', `${place} does not exist`);
    profiles.push(profile);
  }
  const merged = mergeProfiles(profiles);
  const text = formatProfile(merged);
  const size = await writeWholeFile(output, once(Buffer.from(text)), context.signal);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, { profile: output, size, entries: merged.entries.length });
  } else if (!context.quiet) {
    const { escapeName } = await import('../../../base/name-text.ts');
    const name = escapeName(Buffer.from(output));
    context.stdout.write(
      `${name}: ${merged.entries.length} entries of ${places.length} profiles\n`,
    );
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
