/** What the soak reads, with what tells whether it was read right. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { g8ufs, run } from '../harness.ts';

export interface SoakSizes {
  /** Files that fio writes with its checksums in them; 0: none, and no fio is needed. */
  readonly fioFiles: number;
  readonly fioMiBEach: number;
  readonly smallFiles: number;
}

export interface SoakTree {
  readonly sizes: SoakSizes;
  /** Flist of the folders `fio` and `small`. */
  readonly flist: string;
  /** Flist of a root with an interpreter. */
  readonly programs: string;
  /** Bytes of both together. */
  readonly bytes: number;
  /** Lines `digest  path` as `sha256sum -c` reads them, paths from the root of the tree. */
  readonly sums: readonly string[];
  /** What {@link LISTING} prints in the tree. */
  readonly listing: string;
}

/** Every name with all that a stat tells of it and an image keeps; a folder's size and links are its file system's. */
export const LISTING =
  "find . -type d -printf '%P %y %m %U %G %T@\\n' -o -printf '%P %y %m %U %G %s %T@ %n\\n' | " +
  'sort | sha256sum';

const FILES_PER_FOLDER = 100;
const SMALL_BYTES_MAX = 24_000;

/** What fio has to be told alike when it writes and when it verifies. */
export function fioArguments(folder: string, sizes: SoakSizes): string[] {
  return [
    ...['--name=soak', `--directory=${folder}`, '--thread', '--output-format=terse'],
    ...[`--nrfiles=${sizes.fioFiles}`, '--openfiles=8', `--filesize=${sizes.fioMiBEach}m`],
    ...[`--size=${sizes.fioFiles * sizes.fioMiBEach}m`, '--bs=64k'],
    ...['--verify=crc32c', '--verify_fatal=1', '--verify_state_save=0'],
  ];
}

/** Makes the tree below `dir` and its images, whose chunks go to `store`. */
export async function makeSoakTree(
  dir: string,
  store: string,
  sizes: SoakSizes,
): Promise<SoakTree> {
  const source = join(dir, 'tree');
  mkdirSync(join(source, 'fio'), { recursive: true });
  if (sizes.fioFiles > 0) {
    await run('fio', [...fioArguments(join(source, 'fio'), sizes), '--rw=write', '--do_verify=0']);
  }
  const sums = writeSmallFiles(source, sizes.smallFiles);
  const listing = await run('sh', ['-c', `cd ${source} && ${LISTING}`]);
  const flist = join(dir, 'tree.flist');
  const programs = join(dir, 'programs.flist');
  const tree = await g8ufs<{ bytes: number }>('flist', 'create', source, flist, '--store', store);
  const recipe = join(process.cwd(), 'flists/sample.yaml');
  const root = await g8ufs<{ bytes: number }>(
    ...(['flist', 'build', recipe, programs, '--store', store] as const),
  );
  return { sizes, flist, programs, bytes: tree.bytes + root.bytes, sums, listing };
}

function writeSmallFiles(source: string, count: number): string[] {
  const sums: string[] = [];
  for (let index = 0; index < count; index++) {
    const folder = `small/${Math.floor(index / FILES_PER_FOLDER)}`;
    if (index % FILES_PER_FOLDER === 0) mkdirSync(join(source, folder), { recursive: true });
    const bytes = randomBytes(1 + ((index * 7919) % SMALL_BYTES_MAX));
    const path = `${folder}/${index}`;
    writeFileSync(join(source, path), bytes);
    sums.push(`${createHash('sha256').update(bytes).digest('hex')}  ${path}`);
  }
  return sums;
}
