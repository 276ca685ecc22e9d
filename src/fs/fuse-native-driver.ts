/**
 * The portable driver: the npm package `fuse-native` behind the common interface. Every request of the
 * kernel comes to JavaScript, so it is slow; it needs no addon for the FUSE side and is the second
 * opinion on what a tree looks like.
 *
 * Limits of the package, not of the image: names and targets that are not UTF-8 cannot be expressed and are
 * left out of listings; times are whole milliseconds and not before 1970; a file is fetched whole when it
 * is opened.
 */
import { closeSync, openSync, read as readFd } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { toHex } from '../base/bytes.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { ContentCache } from '../cache/cache.ts';
import { type IndexInode, MountIndexReader } from '../format/index/reader.ts';
import { S_IFLNK, S_IFMT } from '../format/tree.ts';
import { openFileSource } from '../image/file-source.ts';
import { contentRef } from './content-ref.ts';
import type { Demand, DemandSource } from './demand.ts';
import type { DriverOptions, DriverSession } from './driver.ts';
import { unmount } from './unmount.ts';

/** Paths whose node id is remembered. */
const PATHS_MAX = 65_536;
const BLOCK_SIZE = 4096;
/** An image does not change: the kernel may keep what it was told for a day. */
const TIMEOUT_SECONDS = 86_400;
const { errno } = constants;

type Callback<T> = (error: number, value?: T) => void;
type Operations = Readonly<Record<string, (...args: never[]) => void>>;

interface Fuse {
  mount(callback: (error: Error | null) => void): void;
  unmount(callback: (error: Error | null) => void): void;
}
type FuseConstructor = new (
  mountPoint: string,
  operations: Operations,
  options: Readonly<Record<string, unknown>>,
) => Fuse;

/** @throws ERR_CONFIG when the package is not installed; ERR_MOUNT; ERR_FLIST_FORMAT */
export async function openFuseNativeDriver(
  options: DriverOptions,
  source: DemandSource,
  cache: ContentCache,
  demand: Demand,
): Promise<DriverSession> {
  const Fuse = loadPackage();
  const file = openFileSource(join(options.indexDir, 'mount.erofs'));
  const requests: Record<string, number> = {};
  try {
    const tree = new PathTree(new MountIndexReader(file));
    const operations = createOperations(tree, source, cache, demand);
    const counted = Object.entries(operations).map(([name, operation]) => [
      name,
      (...args: never[]) => {
        requests[name] = (requests[name] ?? 0) + 1;
        operation(...args);
      },
    ]);
    const fuse = new Fuse(options.mountPoint, Object.fromEntries(counted), {
      // The package has no option for inode numbers of our own; they tell hard links.
      fsname: `${options.source},use_ino,ro,entry_timeout=${TIMEOUT_SECONDS},attr_timeout=${TIMEOUT_SECONDS}`,
      defaultPermissions: true,
      allowOther: options.allowOther,
      // Its own 15 s would end a fetch before the mount's deadline does.
      timeout: false,
    });
    await call((callback) => fuse.mount(callback), options.mountPoint);
    return {
      driver: 'fuse-native',
      tier: 'fuse',
      passthrough: false,
      stats: () => ({ requests: Object.values(requests).reduce((sum, count) => sum + count, 0) }),
      requests: () => requests,
      opens: () => [],
      close: async ({ lazy }) => {
        // Ours first: the package unmounts lazily, by a shell, whatever is open.
        if (!lazy) await unmount(options.mountPoint, false);
        await call((callback) => fuse.unmount(callback), options.mountPoint).catch(ignoreGone);
        file.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

function loadPackage(): FuseConstructor {
  // The package ships its Node-API binary under the name of another runtime, although Node runs it too.
  const runtime = process.env['ELECTRON_RUN_AS_NODE'];
  process.env['ELECTRON_RUN_AS_NODE'] = '1';
  try {
    return createRequire(import.meta.url)('fuse-native') as FuseConstructor;
  } catch (error) {
    throw new G8Error(
      'ERR_CONFIG',
      'The optional driver fuse-native cannot be loaded; it needs the library libfuse.so.2 (libfuse2)',
      { cause: error },
    );
  } finally {
    if (runtime === undefined) delete process.env['ELECTRON_RUN_AS_NODE'];
    else process.env['ELECTRON_RUN_AS_NODE'] = runtime;
  }
}

function call(
  operation: (callback: (error: Error | null) => void) => void,
  mountPoint: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    operation((error) => {
      if (error) reject(toG8Error(error, 'ERR_MOUNT', `${mountPoint} with fuse-native`));
      else resolve();
    });
  });
}

// After our own unmount the package finds nothing to unmount, which is what was wanted.
function ignoreGone(error: unknown): void {
  if (!/unmountFailure|not mounted|not found|Invalid argument/i.test(String(error))) throw error;
}

/** Node ids by path: the package speaks in paths. */
class PathTree {
  readonly index: MountIndexReader;
  readonly #nids = new LRUCache<string, number>({ max: PATHS_MAX });

  constructor(index: MountIndexReader) {
    this.index = index;
  }

  /** @throws ERR_NO_INPUT when there is no such path */
  find(path: string): number {
    const known = this.#nids.get(path);
    if (known !== undefined) return known;
    const nid = this.index.resolvePath(Buffer.from(path.replace(/^\/+/, '')));
    if (nid === undefined) throw new G8Error('ERR_NO_INPUT', `${path} does not exist`);
    this.#nids.set(path, nid);
    return nid;
  }
}

function createOperations(
  tree: PathTree,
  source: DemandSource,
  cache: ContentCache,
  demand: Demand,
): Operations {
  const { index } = tree;
  /** Runs one request; what it throws becomes the errno. */
  const answer = <T>(callback: Callback<T>, work: () => T | Promise<T>): void => {
    Promise.resolve()
      .then(work)
      .then((value) => callback(0, value))
      .catch((error: unknown) => callback(errnoOf(error)));
  };
  return {
    getattr: (path: string, callback: Callback<object>) =>
      answer(callback, () => {
        const nid = tree.find(path);
        return attributes(nid, index.inode(nid));
      }),
    readdir: (path: string, callback: Callback<string[]>) =>
      answer(callback, () => {
        const names = [...index.readdir(tree.find(path))].map((entry) => utf8(entry.name));
        return ['.', '..', ...names.filter((name) => name !== undefined)];
      }),
    readlink: (path: string, callback: Callback<string>) =>
      answer(callback, () => {
        const target = utf8(index.readlink(tree.find(path)));
        if (target === undefined) throw new G8Error('ERR_IO', `Target of ${path} is not UTF-8`);
        return target;
      }),
    open: (path: string, _flags: number, callback: Callback<number>) =>
      answer(callback, () => openContent(index.inode(tree.find(path)), source, cache, demand)),
    read: (
      _path: string,
      fd: number,
      buffer: Buffer,
      length: number,
      position: number,
      callback: Callback<number>,
    ) => {
      if (fd === EMPTY) callback(0, 0);
      else {
        readFd(fd, buffer, 0, length, position, (error, bytesRead) =>
          // The package takes the count as the result, as read(2) gives it.
          callback(error ? -errno.EIO : bytesRead),
        );
      }
    },
    release: (_path: string, fd: number, callback: Callback<void>) => {
      if (fd !== EMPTY) closeSync(fd);
      callback(0);
    },
    listxattr: (path: string, callback: Callback<string[]>) =>
      answer(callback, () =>
        index.xattrs(tree.find(path)).map((xattr) => Buffer.from(xattr.name).toString()),
      ),
    getxattr: (path: string, name: string, _position: number, callback: Callback<Buffer | null>) =>
      answer(callback, () => {
        const wanted = Buffer.from(name);
        const found = index.xattrs(tree.find(path)).find((xattr) => wanted.equals(xattr.name));
        return found === undefined ? null : Buffer.from(found.value);
      }),
    statfs: (_path: string, callback: Callback<object>) =>
      answer(callback, () => {
        const totals = source.contents.totals();
        const blocks = Math.ceil(totals.contentBytes / BLOCK_SIZE);
        const full = { bfree: 0, bavail: 0, ffree: 0, favail: 0 };
        return {
          bsize: BLOCK_SIZE,
          frsize: BLOCK_SIZE,
          blocks,
          files: totals.inodes,
          namemax: 255,
          ...full,
        };
      }),
  };
}

/** Handle of a file without content. */
const EMPTY = 0;

async function openContent(
  inode: IndexInode,
  source: DemandSource,
  cache: ContentCache,
  demand: Demand,
): Promise<number> {
  const content = source.contents.contentOf(inode.ino);
  if (content === undefined) return EMPTY;
  const ref = contentRef(source.contents, content);
  // The whole content: it is then complete, and its file in place.
  await demand.fill(source, ref, 0, ref.chunkCount);
  return openSync(cache.layout.filePath(toHex(ref.digest)), 'r');
}

function attributes(nid: number, inode: IndexInode): object {
  const major = inode.rdevMajor ?? 0;
  const minor = inode.rdevMinor ?? 0;
  const seconds = Math.max(inode.mtimeSeconds, 0);
  const milliseconds = seconds * 1000 + Math.floor(inode.mtimeNanoseconds / 1e6);
  const isLink = (inode.mode & S_IFMT) === S_IFLNK;
  return {
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    nlink: inode.nlink,
    ino: nid,
    // makedev(3), as far as 32 bits go.
    rdev: ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0,
    blksize: BLOCK_SIZE,
    blocks: isLink ? 0 : Math.ceil(inode.size / 512),
    atime: milliseconds,
    mtime: milliseconds,
    ctime: milliseconds,
  };
}

function utf8(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoded = text.toString();
  return Buffer.from(decoded).equals(text) ? decoded : undefined;
}

function errnoOf(error: unknown): number {
  const { errno: name } = toG8Error(error, 'ERR_IO', 'Request failed');
  return -errno[name];
}
