/** `g8ufs flist putdir`: a folder, or anything else that images are made of, over a directory of an image. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import { repeated } from '../../create-flags.ts';
import { addOutputFlag, birthOf, EDIT_FAILURES, editFlist, pathBytes } from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';
import { addPutFlags, overridesOf, type PutFlags, takeIn } from '../../put-access.ts';

interface Flags extends PutFlags {
  readonly exclude: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly force?: boolean;
}

export function command(context: Context): Command {
  const putdir = new Command('putdir')
    .description('put a folder into a flist, over what is there; its chunks go to a store')
    .argument('<flist>', 'flist file')
    .argument('<source>', 'folder, or what else flist create takes')
    .argument('<path>', 'directory in the image that its contents go to; made when missing');
  addOutputFlag(addPutFlags(putdir))
    .option('-x, --exclude <pattern>', 'leave out what matches (repeatable)', repeated, [])
    .option('--one-file-system', 'take mount points below as empty folders')
    .option('-f, --force', 'replace directories by files and files by directories')
    .action((flist: string, source: string, path: string, flags: Flags) =>
      run(context, flist, source, path, flags),
    );
  return addHelpSections(putdir, {
    notes: [
      'Files replace those that are there, directories are merged and take the attributes of the folder; PATH itself keeps its own. Where the image has a symlink to a directory, files go where it leads.',
    ],
    examples: [
      ['flist putdir web.flist ./site /var/www --owner 33:33 -s http://hub:8080', 'a folder'],
      [
        "flist putdir web.flist ./overlay / -x '*.orig' -s dir:///srv/chunks",
        'over the whole image',
      ],
    ],
    settings: ['stores', 'blockSize', 'level'],
    failures: [...EDIT_FAILURES, 'ERR_STORE_UNAVAILABLE', 'ERR_CONFIG'],
  });
}

async function run(
  context: Context,
  flist: string,
  name: string,
  path: string,
  flags: Flags,
): Promise<void> {
  const { makeDirectory } = await import('../../../format/edit/entries.ts');
  const { putTree } = await import('../../../format/edit/put-tree.ts');
  const { overrideAttributes } = await import('../../../image/source/attributes.ts');
  const overrides = overridesOf(flags);
  const where = pathBytes(path);
  const { lockPathOf } = await import('../../../base/file-lock.ts');
  const { realpath } = await import('node:fs/promises');
  await editFlist(context, flist, flags, async (image) => {
    // What lies beside the flist while it is changed must not get into it.
    const own = /^https?:/i.test(flist) ? [] : [flist, lockPathOf(await realpath(flist))];
    const made = makeDirectory(image.root, where, birthOf(context, 0o755), { parents: true });
    const { root } = await takeIn(context, image, flags, (storeFolder) =>
      openNamed(context, name, flags, [
        ...own,
        ...(storeFolder === undefined ? [] : [storeFolder]),
      ]),
    );
    overrideAttributes(root, overrides);
    image.root = putTree(made, where, root, { force: flags.force === true });
  });
}

async function openNamed(
  context: Context,
  name: string,
  { oneFileSystem, store, blockSize }: Flags,
  excludedPaths: readonly string[],
) {
  const { openSource } = await import('../../../image/source/open.ts');
  const { openImageStores } = await import('../../store-access.ts');
  const { addon } = await import('../../../native/load.ts');
  return await openSource(name, {
    codec: addon(),
    stdin: () => context.stdin,
    openStore: (flist) => openImageStores([flist], store === undefined ? [] : [store]),
    keepBlockSize: blockSize === undefined,
    excludedPaths,
    oneFileSystem,
    tmpDir: context.env['TMPDIR'] || undefined,
    signal: context.signal,
  });
}
