/**
 * Numbers of the EROFS on-disk format as far as a mount index uses them (docs/format.md, section
 * 4), shared by the writer and the reader. Pure.
 */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../tree.ts';

export const BLOCK_SIZE = 4096;
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_SIZE = 128;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;
/** Offsets inside the superblock; fields that are not listed are zero. */
export const SUPERBLOCK = {
  magic: 0,
  checksum: 4,
  featureCompat: 8,
  blockSizeBits: 12,
  rootNid: 14,
  inodeCount: 16,
  blockCount: 36,
  metaBlock: 40,
  featureIncompat: 80,
} as const;

/** SB_CHKSUM, MTIME and XATTR_FILTER. */
export const FEATURE_COMPAT = 0x1 | 0x2 | 0x4;
/** CHUNKED_FILE. */
export const FEATURE_INCOMPAT = 0x4;

/** A node number times this is the position of the inode. */
export const SLOT_SIZE = 32;
/** The first slot behind the superblock. */
export const ROOT_NID = (SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) / SLOT_SIZE;

/** Size of an extended inode without xattrs and inline data. */
export const INODE_SIZE = 64;
/** Offsets inside an extended inode. */
export const INODE = {
  format: 0,
  xattrCount: 2,
  mode: 4,
  size: 8,
  union: 16,
  number: 20,
  uid: 24,
  gid: 28,
  mtime: 32,
  mtimeNanoseconds: 40,
  nlink: 44,
} as const;

/** Data layouts; `i_format` is the layout << 1, with bit 0 set for an extended inode. */
export const LAYOUT = { plain: 0, inline: 2, chunked: 4 } as const;

/** log2 of chunk size / block size: the largest the format has, so that a file needs few entries. */
export const CHUNK_FORMAT = 31;
/** Bytes of a file that one 4-byte entry of the chunk map stands for: 8 TiB. */
export const CHUNK_MAP_SPAN = BLOCK_SIZE * 2 ** CHUNK_FORMAT;
export const CHUNK_MAP_ENTRY_SIZE = 4;
export const CHUNK_MAP_HOLE = 0xffffffff;

/** Directory entry: nid u64, name offset u16, type u8, reserved u8. */
export const DIRENT_SIZE = 12;

export type FileType =
  | 'file'
  | 'directory'
  | 'character-device'
  | 'block-device'
  | 'fifo'
  | 'socket'
  | 'symlink';

const TYPES: readonly { name: FileType; mode: number; dirent: number }[] = [
  { name: 'file', mode: S_IFREG, dirent: 1 },
  { name: 'directory', mode: S_IFDIR, dirent: 2 },
  { name: 'character-device', mode: S_IFCHR, dirent: 3 },
  { name: 'block-device', mode: S_IFBLK, dirent: 4 },
  { name: 'fifo', mode: S_IFIFO, dirent: 5 },
  { name: 'socket', mode: S_IFSOCK, dirent: 6 },
  { name: 'symlink', mode: S_IFLNK, dirent: 7 },
];

const DIRENT_OF_FORMAT = new Uint8Array(16);
const TYPE_OF_FORMAT: (FileType | undefined)[] = new Array(16).fill(undefined);
const TYPE_OF_DIRENT: (FileType | undefined)[] = new Array(8).fill(undefined);
for (const { name, mode, dirent } of TYPES) {
  DIRENT_OF_FORMAT[mode >>> 12] = dirent;
  TYPE_OF_FORMAT[mode >>> 12] = name;
  TYPE_OF_DIRENT[dirent] = name;
}

/** Type number of a directory entry for an `st_mode`; 0 when its type bits name no type. */
export function direntTypeOf(mode: number): number {
  return DIRENT_OF_FORMAT[(mode & S_IFMT) >>> 12] as number;
}

/** Type that the type bits of an `st_mode` name, if any. */
export function fileTypeOf(mode: number): FileType | undefined {
  return TYPE_OF_FORMAT[(mode & S_IFMT) >>> 12];
}

/** Type that a directory entry's type number names, if any. */
export function fileTypeOfDirent(type: number): FileType | undefined {
  return TYPE_OF_DIRENT[type];
}

export const DEVICE_MAJOR_MAX = 0xfff;
export const DEVICE_MINOR_MAX = 0xfffff;

/** 32-bit device number as Linux stores it: 12 bits of major amid 20 bits of minor. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Inverse of {@link encodeDevice}. */
export function decodeDevice(device: number): { major: number; minor: number } {
  return {
    major: (device & 0xfff00) >>> 8,
    minor: ((device & 0xff) | ((device >>> 12) & 0xfff00)) >>> 0,
  };
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
