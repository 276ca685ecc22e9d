/** `g8ufs flist ls`: lists folders of an image. */
import { Command } from 'commander';
import type { IndexInode } from '../../../format/index/reader.ts';
import type { Image } from '../../../image/open.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { Output } from '../../ui/output.ts';

interface Flags {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly all?: boolean;
  readonly directory?: boolean;
  readonly humanReadable?: boolean;
  readonly bySize?: boolean;
  readonly byTime?: boolean;
  readonly reverse?: boolean;
}

interface Row {
  readonly name: Uint8Array;
  readonly path: Uint8Array;
  readonly inode: IndexInode;
}

/** Rows whose column widths are found together; a larger folder is listed in several parts. */
const ROWS_MAX = 10_000;
/** What is sorted in memory at once. */
const SORTED_ROWS_MAX = 10_000_000;

export function command(context: Context): Command {
  const ls = new Command('ls')
    .description('list what is in a flist')
    .argument('<flist>', 'flist file or URL')
    .argument('[path]', 'folder or file in it', '/')
    .option('-l, --long', 'mode, links, owner, group, size and time as well')
    .option('-R, --recursive', 'all folders below as well')
    .option('-d, --directory', 'a folder itself, not what is in it')
    .option('-h, --human-readable', 'sizes with units')
    .option('-S, --by-size', 'the largest first')
    .option('-t, --by-time', 'the newest first')
    .option('-r, --reverse', 'the other way round')
    .option('-a, --all', 'nothing is hidden anyway; for those who type it')
    .action((flist: string, path: string, flags: Flags) => run(context, flist, path, flags));
  return addHelpSections(ls, {
    examples: [
      ['flist ls -l debian.flist /etc', 'a folder, with attributes'],
      ['flist ls -R --json debian.flist', 'everything, one JSON object per line'],
    ],
    failures: ['ERR_FLIST_FORMAT', 'ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_IO'],
  });
}

async function run(context: Context, flist: string, path: string, flags: Flags): Promise<void> {
  const { withImage, findEntry } = await import('../../image-access.ts');
  const { Output: OutputClass } = await import('../../ui/output.ts');
  const list = async (image: Image): Promise<void> => {
    const output = new OutputClass(context);
    // As ls(1): a link to a folder is that folder, but a long listing shows the link.
    const followLast = flags.long !== true && flags.directory !== true;
    const { path: top, inode } = await image.load(() => findEntry(image, path, { followLast }));
    const isFolder = inode.type === 'directory' && flags.directory !== true;
    if (flags.recursive !== true) await loadRows(image, top, inode, isFolder, context.json);
    const lister = await createLister(context, image, output, flags);
    if (!isFolder) {
      const name = top.length === 1 ? top : top.subarray(top.lastIndexOf(0x2f) + 1);
      await lister.rows([{ name, path: top, inode }]);
    } else {
      await listFolders(image, output, { path: top, inode }, flags, context.json, lister);
    }
    await output.flush();
  };
  await withImage(context, flist, list, flags.recursive === true ? 'all' : 'paths');
}

/** What the rows of an entry, or of those in a folder, are made of. */
async function loadRows(
  image: Image,
  path: Uint8Array,
  { nid }: IndexInode,
  isFolder: boolean,
  json: boolean,
): Promise<void> {
  const { entryJson } = await import('../../ui/entry.ts');
  const touch = (at: number): void => {
    const inode = image.index.inode(at);
    if (json) entryJson(image, path, inode);
    else if (inode.type === 'symlink') image.index.readlink(at);
  };
  await image.load(() => {
    if (!isFolder) touch(nid);
    else for (const entry of image.index.readdir(nid)) touch(entry.nid);
  });
}

interface Lister {
  rows(rows: readonly Row[]): Promise<void>;
  header(path: Uint8Array, isFirst: boolean): Promise<void>;
}

async function listFolders(
  image: Image,
  output: Output,
  top: { path: Uint8Array; inode: IndexInode },
  flags: Flags,
  json: boolean,
  lister: Lister,
): Promise<void> {
  const { childPath } = await import('../../image-access.ts');
  const seen = new Set<number>();
  const stack = [{ path: top.path, nid: top.inode.nid }];
  for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
    if (flags.recursive === true && !json) await lister.header(folder.path, seen.size === 0);
    seen.add(folder.nid);
    const below: typeof stack = [];
    let rows: Row[] = [];
    for (const { name, nid, type } of image.index.readdir(folder.nid)) {
      const path = childPath(folder.path, name);
      rows.push({ name, path, inode: image.index.inode(nid) });
      // A sound image has no folder with two names; a hostile one must not keep us here for ever.
      if (flags.recursive === true && type === 'directory' && !seen.has(nid)) {
        below.push({ path, nid });
      }
      if (rows.length < (isSorted(flags) ? SORTED_ROWS_MAX : ROWS_MAX)) continue;
      await lister.rows(sorted(rows, flags));
      rows = [];
    }
    await lister.rows(sorted(rows, flags));
    stack.push(...below.reverse());
  }
  await output.flush();
}

async function createLister(
  context: Context,
  image: Image,
  output: Output,
  flags: Flags,
): Promise<Lister> {
  const { formatMode, formatShortTime, formatSizeColumn } = await import(
    '../../../format/index/inode-text.ts'
  );
  const { entryJson, paintName } = await import('../../ui/entry.ts');
  const { formatSize } = await import('../../../base/bytes.ts');
  const { printableName } = await import('../../../base/name-text.ts');
  const { jsonLine } = await import('../../ui/json.ts');
  const escaped = context.stdout.isTTY === true;
  const named = async (name: Uint8Array, inode: IndexInode): Promise<void> => {
    const text = printableName(name, escaped);
    const isText = typeof text === 'string';
    await output.write(isText ? paintName(text, inode.type, context.color) : text);
    if (flags.long === true && inode.type === 'symlink') {
      await output.write(' -> ');
      await output.write(printableName(image.index.readlink(inode.nid), escaped));
    }
    await output.write('\n');
  };
  return {
    header: async (path, isFirst) => {
      if (!isFirst) await output.write('\n');
      await output.write(printableName(path, escaped));
      await output.write(':\n');
    },
    rows: async (rows) => {
      if (context.json) {
        for (const row of rows) {
          await output.write(jsonLine(entryJson(image, row.path, row.inode)));
        }
        return;
      }
      const columns = rows.map(({ inode }) => [
        formatMode(inode),
        String(inode.nlink),
        String(inode.uid),
        String(inode.gid),
        flags.humanReadable === true &&
        inode.type !== 'character-device' &&
        inode.type !== 'block-device'
          ? formatSize(inode.size)
          : formatSizeColumn(inode),
        formatShortTime(inode),
      ]);
      const widths = columnWidths(flags.long === true ? columns : []);
      for (const [i, { name, inode }] of rows.entries()) {
        if (flags.long === true) {
          const cells = (columns[i] as string[]).map((cell, c) => cell.padStart(widths[c] ?? 0));
          await output.write(`${cells.join(' ')} `);
        }
        await named(name, inode);
      }
    },
  };
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [c, cell] of row.entries()) widths[c] = Math.max(widths[c] ?? 0, cell.length);
  }
  return widths;
}

function isSorted({ bySize, byTime, reverse }: Flags): boolean {
  return bySize === true || byTime === true || reverse === true;
}

/** As ls(1): names in byte order where the rest is equal. Folders come in that order already. */
function sorted(rows: readonly Row[], flags: Flags): readonly Row[] {
  if (!isSorted(flags)) return rows;
  const compare = ({ inode: a }: Row, { inode: b }: Row): number => {
    if (flags.bySize === true) return b.size - a.size;
    if (flags.byTime !== true) return 0;
    return b.mtimeSeconds - a.mtimeSeconds || b.mtimeNanoseconds - a.mtimeNanoseconds;
  };
  const list = [...rows].sort(compare);
  return flags.reverse === true ? list.reverse() : list;
}
