/**
 * The tree of the `data-plane` suite and its images, made once below /var/tmp: a Debian root, a file of
 * 1 GiB that does not compress, 10 000 small files; a flist of all three and one of the Debian root alone,
 * both over one store.
 */
import { createCipheriv, createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { command, run } from '../harness.ts';

const PLACE = process.env['G8UFS_DATA_PLANE'] ?? '/var/tmp/g8ufs-data-plane';
/** The tree is made anew when this changes. */
const VERSION = '1';
const BIG_MIB = 1024;
export const SMALL_FILES = 10_000;
const FILES_PER_FOLDER = 100;

export interface DataPlaneTree {
  /** Folder with `root`, `big` and `small`. */
  readonly folder: string;
  readonly flist: string;
  /** Flist of `root` alone. */
  readonly second: string;
  /** The store of both. */
  readonly store: string;
  readonly cacheDir: string;
}

export async function dataPlaneTree(debianRoot: string): Promise<DataPlaneTree> {
  const tree: DataPlaneTree = {
    folder: join(PLACE, 'tree'),
    flist: join(PLACE, 'tree.flist'),
    second: join(PLACE, 'second.flist'),
    store: `dir://${join(PLACE, 'chunks')}`,
    cacheDir: join(PLACE, 'cache'),
  };
  const stamp = join(PLACE, `made-${VERSION}`);
  if (existsSync(stamp)) return tree;
  console.log(`Making the tree and its images in ${PLACE}`);
  rmSync(PLACE, { recursive: true, force: true });
  mkdirSync(join(tree.folder, 'small'), { recursive: true });
  await run('cp', ['-a', '--reflink=auto', debianRoot, join(tree.folder, 'root')]);
  writeBig(join(tree.folder, 'big'));
  writeSmall(join(tree.folder, 'small'));
  for (const [folder, flist] of [
    [tree.folder, tree.flist],
    [join(tree.folder, 'root'), tree.second],
  ] as const) {
    await run(...command('flist', 'create', folder, flist, '--store', tree.store, '--json'));
  }
  writeFileSync(stamp, '');
  return tree;
}

/** Bytes of a cipher: the same each time, and nothing can make them smaller. */
function writeBig(path: string): void {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const zeros = Buffer.alloc(1 << 20);
  const file = openSync(path, 'w');
  for (let i = 0; i < BIG_MIB; i++) writeSync(file, cipher.update(zeros));
  closeSync(file);
}

/** `00/00` to `99/99`, 64 to 4096 bytes, no two alike. */
function writeSmall(folder: string): void {
  for (let i = 0; i < SMALL_FILES; i++) {
    const [outer, inner] = [Math.floor(i / FILES_PER_FOLDER), i % FILES_PER_FOLDER];
    const name = String(outer).padStart(2, '0');
    if (inner === 0) mkdirSync(join(folder, name));
    const line = `${createHash('sha256').update(String(i)).digest('hex')}\n`;
    const text = line.repeat(1 + (i % 63));
    writeFileSync(join(folder, name, String(inner).padStart(2, '0')), text.slice(0, 4096));
  }
}
