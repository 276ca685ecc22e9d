/**
 * Contents that an earlier image of the same folder has already: of files whose path, size and
 * modification time are as they were there. Such files are not read; that their bytes have not changed is
 * taken from their time, as rsync and most backup programs do. Each call is on its own.
 */
import { throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { CODEC, DIGEST } from '../base/codec.ts';
import type { Content } from '../format/content.ts';
import type { MountIndexReader } from '../format/index/reader.ts';
import type { Image } from './open.ts';
import type { Uploader } from './upload.ts';
import type { SourceFile } from './walk.ts';

/** Files whose chunks are asked for together; a large file's are more than fit in one question. */
const BATCH_FILES = 1024;

const SLASH = 0x2f;

interface ReuseOptions {
  readonly uploader: Uploader;
  /** Contents with blocks of another size are not taken. */
  readonly blockSize: number;
  readonly signal: AbortSignal;
}

/**
 * Sets the contents of unchanged files, if the store has all their chunks.
 *
 * @returns the other files, which are to be read
 * @throws ERR_FLIST_FORMAT for a malformed parent; what the store throws; ERR_ABORTED
 */
export async function reuseContents(
  parent: Image,
  files: readonly SourceFile[],
  options: ReuseOptions,
): Promise<readonly SourceFile[]> {
  const { uploader, signal } = options;
  const changed: SourceFile[] = [];
  const folders = new ParentFolders(parent.index);
  for (let start = 0; start < files.length; start += BATCH_FILES) {
    throwIfAborted(signal);
    const known: (readonly [SourceFile, Content])[] = [];
    for (const file of files.slice(start, start + BATCH_FILES)) {
      const content = contentOf(parent, folders.find(file.path), file, options.blockSize);
      if (content === undefined) changed.push(file);
      else known.push([file, content]);
    }
    const missing = await uploader.claim(known.flatMap(([, { chunks }]) => chunks));
    for (const [file, content] of known) {
      const isLacking = missing.size > 0 && content.chunks.some(({ id }) => missing.has(toHex(id)));
      if (isLacking) changed.push(file);
      else file.inode.content = content;
    }
  }
  return changed;
}

function contentOf(
  { index, contents }: Image,
  nid: number | undefined,
  { scanned }: SourceFile,
  blockSize: number,
): Content | undefined {
  if (nid === undefined) return undefined;
  const inode = index.inode(nid);
  const isSame =
    inode.type === 'file' &&
    inode.size === scanned.size &&
    inode.mtimeSeconds === scanned.mtimeSeconds &&
    inode.mtimeNanoseconds === scanned.mtimeNanoseconds;
  const row = isSame ? contents.contentOf(inode.ino) : undefined;
  if (row === undefined) return undefined;
  const content = contents.toContent(row);
  return isOurs(content, blockSize) ? content : undefined;
}

/** Finds files of the source in the parent. Those of one folder follow each other: it is looked up once. */
class ParentFolders {
  readonly #index: MountIndexReader;
  #path = '';
  #nid: number | undefined;

  constructor(index: MountIndexReader) {
    this.#index = index;
    this.#nid = index.root();
  }

  /** Links on the way are not followed: the folder was not walked through them either. */
  find(path: Uint8Array): number | undefined {
    const slash = path.lastIndexOf(SLASH);
    const folder = Buffer.from(path.buffer, path.byteOffset, Math.max(slash, 0)).toString('latin1');
    if (folder !== this.#path) {
      this.#nid = this.#index.resolvePath(path.subarray(0, Math.max(slash, 0)));
      this.#path = folder;
    }
    return this.#nid === undefined
      ? undefined
      : this.#index.lookup(this.#nid, path.subarray(slash + 1));
  }
}

function isOurs({ blockSize, algorithm, chunks }: Content, wanted: number): boolean {
  const isKnown = chunks.every(({ codec }) => codec === CODEC.zstd || codec === CODEC.hole);
  return blockSize === wanted && algorithm === DIGEST.blake2b256 && isKnown;
}
