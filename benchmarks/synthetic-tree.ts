/** Trees of any size for the suites `million` and `look`; their chunks exist nowhere. */
import { blake2b } from '../src/base/blake2b.ts';
import { CODEC, DIGEST } from '../src/base/codec.ts';
import { type Dentry, type Inode, S_IFDIR, S_IFREG } from '../src/format/tree.ts';

export interface SyntheticOptions {
  /** Every so many files one has another content; default none. */
  readonly changeEvery?: number;
}

/** Folders of files, each with a content of its own. */
export function syntheticTree(
  folders: number,
  files: number,
  { changeEvery = 0 }: SyntheticOptions = {},
): Inode {
  const attributes = { uid: 0, gid: 0, mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 0 };
  const directory = (entries: Dentry[]): Inode => ({
    ...attributes,
    mode: S_IFDIR | 0o755,
    size: 0,
    entries,
  });
  const file = (name: string): Inode => {
    const digest = blake2b(Buffer.from(name), 32);
    const chunk = { codec: CODEC.zstd, id: digest, plainDigest: digest, storedSize: 1000 };
    const content = {
      size: 4000,
      blockSize: 524288,
      algorithm: DIGEST.blake2b256,
      chunks: [chunk],
    };
    return { ...attributes, mode: S_IFREG | 0o644, size: 4000, content };
  };
  const isChanged = (index: number): boolean => changeEvery > 0 && index % changeEvery === 0;
  const number = (index: number): string => String(index).padStart(6, '0');
  return directory(
    Array.from({ length: folders }, (_, folder) => ({
      name: Buffer.from(`folder-${number(folder)}`),
      inode: directory(
        Array.from({ length: files }, (_unused, index) => ({
          name: Buffer.from(`file-${number(index)}`),
          inode: file(`${folder}/${index}${isChanged(index) ? '/changed' : ''}`),
        })),
      ),
    })),
  );
}
