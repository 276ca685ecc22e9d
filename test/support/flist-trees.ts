/** Trees and databases in memory, for tests of the record layer. */

import { blake2b } from '../../src/base/blake2b.ts';
import { compareBytes, toHex } from '../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import type { Content } from '../../src/format/content.ts';
import type { MetadataDatabase } from '../../src/format/database.ts';
import {
  type Dentry,
  type Inode,
  S_IFBLK,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from '../../src/format/tree.ts';

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const PLAIN = { uid: 0, gid: 0, mtimeSeconds: 1_500_000_000, mtimeNanoseconds: 0, size: 0 };

/** A directory; names are text, or bytes as Latin-1 where they are marked by a leading `\0`. */
export function directory(
  children: Readonly<Record<string, Inode>> = {},
  stat: Partial<Inode> = {},
): Inode {
  const entries: Dentry[] = Object.entries(children).map(([name, inode]) => ({
    name: name.startsWith('\0')
      ? new Uint8Array(Buffer.from(name.slice(1), 'latin1'))
      : bytes(name),
    inode,
  }));
  entries.sort((a, b) => compareBytes(a.name, b.name));
  return { ...PLAIN, mode: S_IFDIR | 0o755, ...stat, entries };
}

/** A file whose chunk references are made from its text. */
export function file(text: string, stat: Partial<Inode> = {}): Inode {
  const inode = { ...PLAIN, mode: S_IFREG | 0o644, size: text.length };
  return { ...inode, ...(text.length > 0 && { content: contentOf(text) }), ...stat };
}

export function contentOf(text: string): Content {
  const plainDigest = blake2b(bytes(text), 32);
  const id = blake2b(plainDigest, 32);
  const chunk = { codec: CODEC.zstd, id, plainDigest, storedSize: text.length };
  return {
    size: text.length,
    blockSize: 512 * 1024,
    algorithm: DIGEST.blake2b256,
    chunks: [chunk],
  };
}

export function symlink(target: string, stat: Partial<Inode> = {}): Inode {
  return { ...PLAIN, mode: S_IFLNK | 0o777, target: bytes(target), ...stat };
}

export function blockDevice(rdevMajor: number, rdevMinor: number): Inode {
  return { ...PLAIN, mode: S_IFBLK | 0o660, gid: 6, rdevMajor, rdevMinor };
}

export function fifo(): Inode {
  return { ...PLAIN, mode: S_IFIFO | 0o600 };
}

/** A database that holds what it is given. */
export class MemoryDatabase implements MetadataDatabase {
  readonly values = new Map<string, Uint8Array>();

  constructor(records: Iterable<readonly [Uint8Array | string, Uint8Array]> = []) {
    for (const [key, value] of records) {
      this.values.set(typeof key === 'string' ? key : Buffer.from(key).toString('latin1'), value);
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.values.get(Buffer.from(key).toString('latin1'));
  }

  *entries(): Generator<readonly [Uint8Array, Uint8Array]> {
    for (const key of [...this.values.keys()].sort()) {
      yield [new Uint8Array(Buffer.from(key, 'latin1')), this.values.get(key) as Uint8Array];
    }
  }
}

/** Inode of the path, from the root on; fails when there is none. */
export function find(root: Inode, path: string): Inode {
  let inode = root;
  for (const part of path.split('/').filter((name) => name !== '')) {
    const entry = inode.entries?.find(({ name }) => Buffer.from(name).toString() === part);
    if (entry === undefined) throw new Error(`${path} is not in the tree`);
    inode = entry.inode;
  }
  return inode;
}

/** Paths below the root in depth-first order; bytes that are no text come out as hex. */
export function* paths(root: Inode): Generator<[pathHex: string, inode: Inode]> {
  const stack: [string, Inode][] = [['', root]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [path, inode] = top;
    yield [path, inode];
    for (const entry of [...(inode.entries ?? [])].reverse()) {
      stack.push([`${path === '' ? '' : `${path}2f`}${toHex(entry.name)}`, entry.inode]);
    }
  }
}
