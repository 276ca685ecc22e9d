/** What `flist cp` does: finds what is named, decides where it goes, restores it. */
import { randomBytes } from 'node:crypto';
import { lstat, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { Inode } from '../format/tree.ts';
import { copiedTree } from '../image/copied-tree.ts';
import type { Image } from '../image/open.ts';
import { checkRestoreTarget, restoreProgress, restoreTree } from '../image/restore.ts';
import { imageTree } from '../image/tree.ts';
import { addon } from '../native/load.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import { findEntry, withImage } from './image-access.ts';
import { type StoreFlags, withStores } from './store-access.ts';
import { printJson } from './ui/json.ts';
import { showProgress } from './ui/progress.ts';

export interface CopyFlags extends StoreFlags {
  readonly recursive?: boolean;
  readonly archive?: boolean;
  readonly preserve?: boolean;
}

interface Copy {
  readonly root: Inode;
  readonly target: string;
  /** A plain file is there, which the copy takes the place of. */
  readonly isReplacing: boolean;
}

/**
 * @param words paths in the image, then the target
 * @throws ERR_USAGE; ERR_NO_INPUT; as `restoreTree`
 */
export async function copyOut(
  context: Context,
  flist: string,
  words: readonly string[],
  flags: CopyFlags,
): Promise<void> {
  const paths = words.slice(0, -1);
  const target = words.at(-1);
  if (target === undefined || paths.length === 0) {
    throw new G8Error('ERR_USAGE', 'Give what to copy and where to');
  }
  await withImage(context, flist, async (image) => {
    const copies = await planCopies(image, paths, target, flags);
    await withStores(context, [image], flags, (store) => copyAll(context, copies, store));
  });
}

/** All of it before the work begins: a wrong word must not leave half a copy. */
async function planCopies(
  image: Image,
  paths: readonly string[],
  target: string,
  flags: CopyFlags,
): Promise<Copy[]> {
  const isFolder = await isFolderThere(target);
  if (paths.length > 1 && !isFolder) {
    throw new G8Error('ERR_USAGE', `${target} is no folder, and there is more than one to copy`);
  }
  const copies: Copy[] = [];
  for (const path of paths) {
    const { path: found, inode } = findEntry(image, path, {
      followLast: flags.archive !== true && flags.recursive !== true,
    });
    if (inode.type === 'directory' && flags.recursive !== true && flags.archive !== true) {
      throw new G8Error('ERR_USAGE', `${path} is a folder: copy it with -r or -a`);
    }
    const isKept = flags.archive === true || flags.preserve === true;
    const tree = imageTree(image, inode.nid);
    const root = isKept ? tree : copiedTree(tree, copier());
    const name = nameOf(found, path);
    copies.push(await planCopy(root, isFolder ? join(target, name) : target));
  }
  const twice = copies.find((copy, i) => copies.findIndex((c) => c.target === copy.target) !== i);
  if (twice !== undefined) throw new G8Error('ERR_USAGE', `${twice.target} would be made twice`);
  return copies;
}

async function planCopy(root: Inode, path: string): Promise<Copy> {
  const target = resolve(path);
  const present = await lstat(target).catch(() => undefined);
  const isReplacing = present?.isFile() === true && root.entries === undefined;
  if (!isReplacing) await checkRestoreTarget(target, root);
  return { root, target, isReplacing };
}

/** Names are bytes, and paths of this machine are text here: other names need a target of their own. */
function nameOf(found: Uint8Array, path: string): string {
  const bytes = Buffer.from(found.subarray(found.lastIndexOf(0x2f) + 1));
  const name = bytes.toString();
  if (!Buffer.from(name).equals(bytes)) {
    throw new G8Error('ERR_USAGE', `The name of ${path} is no UTF-8: name the target yourself`);
  }
  return name;
}

async function isFolderThere(target: string): Promise<boolean> {
  try {
    return (await stat(target)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw toG8Error(error, 'ERR_CREATE', `${target} cannot be written`);
  }
}

function copier() {
  return {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    umask: process.umask(),
    mtimeSeconds: Math.floor(Date.now() / 1000),
  };
}

async function copyAll(
  context: Context,
  copies: readonly Copy[],
  store: ChunkStore,
): Promise<void> {
  const results = [];
  for (const copy of copies) {
    const progress = restoreProgress();
    const view = await showProgress(context, {
      label: 'Copying',
      unit: 'bytes',
      get done() {
        return progress.bytes;
      },
      get total() {
        return progress.bytesTotal;
      },
    });
    try {
      const { signal } = context;
      const options = { store, addon: addon(), progress, signal };
      const { entries, bytes, skipped } = await copyOne(copy, (root, target) =>
        restoreTree(root, target, options),
      );
      results.push({ target: copy.target, entries, bytes, skipped });
    } finally {
      view.stop();
    }
  }
  if (context.json) {
    for (const result of results) await printJson(context, result);
    return;
  }
  const sums = { owners: 0, xattrs: 0, devices: 0 };
  for (const { skipped } of results) {
    sums.owners += skipped.owners;
    sums.xattrs += skipped.xattrs;
    sums.devices += skipped.devices;
  }
  const words = Object.entries(sums).filter(([, count]) => count > 0);
  if (words.length === 0 || context.quiet) return;
  const list = words.map(([what, count]) => `${count} ${what}`).join(', ');
  context.stderr.write(`Left out, since only root may restore them: ${list}\n`);
}

async function copyOne<T>(
  { root, target, isReplacing }: Copy,
  restore: (root: Inode, target: string) => Promise<T>,
): Promise<T> {
  if (!isReplacing) return restore(root, target);
  const name = `.${basename(target).slice(0, 200)}.${randomBytes(6).toString('hex')}.new`;
  const temporary = join(dirname(target), name);
  try {
    const result = await restore(root, temporary);
    await rename(temporary, target);
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
