/** `g8ufs flist why`: which files a chunk belongs to, and which chunks a file is made of. */
import { Command } from 'commander';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

interface Flags extends StoreFlags {
  readonly check?: boolean;
}

/** Hex digits that are taken for a chunk or a content; shorter words are paths. */
const PREFIX = /^[0-9a-f]{4,64}$/i;

export function command(context: Context): Command {
  const why = new Command('why')
    .description('show what a chunk is there for, or what a file is made of')
    .argument('<flist>', 'flist file or URL')
    .argument('<what>', 'path in it, or first digits of a chunk id or a content digest')
    .option('--check', 'ask the stores whether they have the chunks');
  addStoreFlag(why).action((flist: string, what: string, flags: Flags) =>
    run(context, flist, what, flags),
  );
  return addHelpSections(why, {
    notes: [
      'What exists as a path is taken as one; anything else with four hex digits or more as an id. The digits may be those of several chunks: all are shown.',
    ],
    examples: [
      ['flist why debian.flist 1f3a9c', 'files with a chunk'],
      ['flist why debian.flist /usr/bin/bash', 'its chunks, and who shares them'],
      ['flist why debian.flist /etc/passwd --check', 'whether the stores have them'],
    ],
    settings: ['stores'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_CONFIG',
    ],
    results: [[1, 'a store lacks a chunk (with --check)']],
  });
}

async function run(context: Context, flist: string, what: string, flags: Flags): Promise<void> {
  const { withImage, findEntry } = await import('../../image-access.ts');
  const { resolvePath } = await import('../../../image/resolve.ts');
  await withImage(context, flist, async (image) => {
    const access = { context, image, lookup: await createLookup(context, image, flags) };
    const place = resolvePath(image.index, Buffer.from(what), { followLast: true });
    const isId = place === undefined && PREFIX.test(what);
    const { whyChunk, whyPath } = await import('../../why-report.ts');
    const isComplete = isId
      ? await whyChunk(access, what.toLowerCase())
      : await whyPath(access, findEntry(image, what, { followLast: true }));
    if (!isComplete) context.setExitCode(1);
  });
}

/** Which of some chunks the stores lack; without `--check` nobody is asked. */
async function createLookup(context: Context, image: Image, flags: Flags) {
  if (flags.check !== true) return undefined;
  const { withStores } = await import('../../store-access.ts');
  return async (ids: readonly string[]): Promise<ReadonlySet<string>> =>
    withStores(
      context,
      [image],
      flags,
      async (store) => new Set(await store.missing([...ids], { signal: context.signal })),
    );
}
