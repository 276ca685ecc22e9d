/** `g8ufs flist put`: one file of this machine into an image. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Inode } from '../../../format/tree.ts';
import type { EditableFlist } from '../../../image/edit-flist.ts';
import type { Context } from '../../context.ts';
import { addOutputFlag, EDIT_FAILURES, editFlist, pathBytes } from '../../edit-access.ts';
import { addHelpSections } from '../../help.ts';
import { addPutFlags, anonymous, overridesOf, type PutFlags, takeIn } from '../../put-access.ts';

interface Flags extends PutFlags {
  readonly mode?: string;
}

export function command(context: Context): Command {
  const put = new Command('put')
    .description('put a file into a flist; its chunks go to a store')
    .argument('<flist>', 'flist file')
    .argument('<file>', 'file of this machine, or - for standard input')
    .argument('<path>', 'its name in the image, or a directory for it')
    .option('-m, --mode <octal>', 'record these permissions');
  addOutputFlag(addPutFlags(put)).action(
    (flist: string, file: string, path: string, flags: Flags) =>
      run(context, flist, file, path, flags),
  );
  return addHelpSections(put, {
    notes: [
      'Owner, permissions and time are those of the file; from standard input 0:0, 0644 and the present time (or SOURCE_DATE_EPOCH). What has the name already is replaced, a symlink too; other names of a replaced file keep what they have.',
    ],
    examples: [
      ['flist put web.flist ./nginx.conf /etc/nginx/ --store http://127.0.0.1:8080', 'a file'],
      ['flist put web.flist - /etc/hostname -s dir:///srv/chunks < name', 'from standard input'],
    ],
    settings: ['stores', 'blockSize', 'level'],
    failures: [...EDIT_FAILURES, 'ERR_STORE_UNAVAILABLE', 'ERR_CONFIG'],
  });
}

async function run(
  context: Context,
  flist: string,
  file: string,
  path: string,
  flags: Flags,
): Promise<void> {
  const { basename } = await import('node:path');
  const { destination, putInode } = await import('../../../format/edit/entries.ts');
  const attributes = attributesOf(flags);
  await editFlist(context, flist, flags, async (image) => {
    // What cannot work is refused before anything is read.
    const name = file === '-' ? undefined : Buffer.from(basename(file)).toString('latin1');
    const slot = destination(image.root, pathBytes(path), name);
    putInode(image.root, slot, { ...image.root, mode: 0o100644 });
    const inode =
      file === '-'
        ? await fromStdin(context, image, flags)
        : await fromFile(context, image, file, flags);
    image.root = putInode(image.root, slot, attributes(inode));
  });
}

async function fromFile(
  context: Context,
  image: EditableFlist,
  file: string,
  flags: Flags,
): Promise<Inode> {
  const { FileSource } = await import('../../../image/source/file.ts');
  const { root } = await takeIn(context, image, flags, async () => new FileSource(file));
  return root.entries?.[0]?.inode as Inode;
}

/** Its size is not known before its end, so it goes to a temporary file first. */
async function fromStdin(context: Context, image: EditableFlist, flags: Flags): Promise<Inode> {
  const { createWriteStream } = await import('node:fs');
  const { mkdtemp, rm } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const { pipeline } = await import('node:stream/promises');
  const { stdin, signal } = context;
  if (stdin === undefined) throw new G8Error('ERR_USAGE', 'Standard input is a terminal');
  const folder = await mkdtemp(join(context.env['TMPDIR'] || tmpdir(), 'g8ufs-'));
  try {
    const file = join(folder, 'input');
    await pipeline(stdin, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal });
    const { xattrs: _, ...inode } = await fromFile(context, image, file, flags);
    return { ...inode, mode: 0o100644, ...anonymous(context) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function attributesOf(flags: Flags): (inode: Inode) => Inode {
  const { owner, mtimeSeconds } = overridesOf(flags);
  const { mode } = flags;
  if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode)) {
    throw new G8Error('ERR_USAGE', `--mode is '${mode}', not an octal number`);
  }
  return (inode) => ({
    ...inode,
    ...owner,
    ...(mtimeSeconds !== undefined && { mtimeSeconds, mtimeNanoseconds: 0 }),
    ...(mode !== undefined && { mode: 0o100000 | Number.parseInt(mode, 8) }),
  });
}
