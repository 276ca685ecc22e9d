/**
 * Finds what an ELF file of an image needs to be run within that image, the way ld.so(8) does: run paths first, then the
 * usual folders, through the image's own links. A guess: ld.so.conf and the environment do not count. Bounded
 * whatever the file says.
 */
import { isG8Error } from '../base/errors.ts';
import type { MountIndexReader } from '../format/index/reader.ts';
import type { Elf } from './elf.ts';
import { resolvePath } from './resolve.ts';

/** Nothing that is run needs more by itself. */
const LIBRARIES_MAX = 64;
const RUN_PATHS_MAX = 8;
const PATH_SIZE_MAX = 4096;
/** Names looked up in folders for one ELF file: a tenth of a second of an image that was made for it. */
const LOOKUPS_MAX = 10_000;

/** Folder names of Debian by machine (`e_machine`). */
const MULTIARCH: Readonly<Record<string, string>> = {
  '32le-3': 'i386-linux-gnu',
  '32le-40': 'arm-linux-gnueabihf',
  '64le-21': 'powerpc64le-linux-gnu',
  '64be-22': 's390x-linux-gnu',
  '64le-62': 'x86_64-linux-gnu',
  '64le-183': 'aarch64-linux-gnu',
  '64le-243': 'riscv64-linux-gnu',
};

/** A file of the image. */
export interface NeededFile {
  readonly nid: number;
  /** Without links. */
  readonly path: string;
}

/**
 * @param path of the ELF file in the image, without links; only its folder counts
 * @returns the libraries that were found, in their order
 * @throws ERR_FLIST_FORMAT when the index is broken
 */
export function neededFiles(elf: Elf, path: string, index: MountIndexReader): NeededFile[] {
  const origin = path.slice(0, Math.max(1, path.lastIndexOf('/')));
  const folders = [
    ...elf.runPaths
      .slice(0, RUN_PATHS_MAX)
      .map((folder) => folder.replace(/\$(ORIGIN|\{ORIGIN\})/g, () => origin)),
    ...usualFolders(elf.kind),
  ];
  const budget = { names: LOOKUPS_MAX };
  return elf.needed.slice(0, LIBRARIES_MAX).flatMap((name) => {
    const places = name.includes('/') ? [name] : folders.map((folder) => `${folder}/${name}`);
    for (const place of places) {
      const found = findFile(place, index, budget);
      if (found !== undefined) return [found];
    }
    return [];
  });
}

/** A regular file at an absolute path, through links. @throws ERR_FLIST_FORMAT */
export function findFile(
  path: string,
  index: MountIndexReader,
  budget = { names: LOOKUPS_MAX },
): NeededFile | undefined {
  if (!path.startsWith('/') || path.length > PATH_SIZE_MAX) return undefined;
  try {
    const found = resolvePath(index, Buffer.from(path), { followLast: true, budget });
    if (found === undefined || index.inode(found.nid).type !== 'file') return undefined;
    return { nid: found.nid, path: Buffer.from(found.path).toString() };
  } catch (error) {
    // Links that go round in circles.
    if (isG8Error(error, 'ERR_NO_INPUT')) return undefined;
    throw error;
  }
}

function usualFolders(kind: string): string[] {
  const multiarch = MULTIARCH[kind];
  const words = kind.startsWith('64') ? ['lib64'] : [];
  const all = [...(multiarch === undefined ? [] : [`lib/${multiarch}`]), ...words, 'lib'];
  return [...all.flatMap((folder) => [`/${folder}`, `/usr/${folder}`]), '/usr/local/lib'];
}
