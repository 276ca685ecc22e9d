/**
 * The files of an image layout or archive, whether they lie in a folder or in a tar. Nothing in them is
 * trusted. Files may be open at the same time.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error, isG8Error, toG8Error } from '../../base/errors.ts';
import { malformedImage, showText } from '../../format/oci/malformed.ts';

export interface ImageFiles {
  /** For messages. */
  readonly name: string;
  /** Bytes of a file, `undefined` when there is none. */
  sizeOf(path: string): Promise<number | undefined>;
  /** The file's bytes as they come. @throws ERR_NO_INPUT, ERR_IO */
  open(path: string): AsyncGenerator<Uint8Array, void, void>;
  /** Idempotent. */
  close(): Promise<void>;
}

const PIECE_SIZE = 256 * 1024;

/** Reads a whole small file. @throws ERR_FLIST_FORMAT when it is absent or too large */
export async function readSmallFile(
  files: ImageFiles,
  path: string,
  sizeMax: number,
): Promise<Uint8Array> {
  const size = await files.sizeOf(path);
  const shown = showText(path);
  if (size === undefined) throw malformedImage(`${files.name} has no ${shown}`);
  if (size > sizeMax) {
    throw malformedImage(`${shown} of ${files.name} is larger than ${sizeMax} bytes`);
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of files.open(path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The files of a folder. */
export class FolderFiles implements ImageFiles {
  readonly name: string;
  readonly #folder: string;

  constructor(folder: string) {
    this.name = folder;
    this.#folder = folder;
  }

  async sizeOf(path: string): Promise<number | undefined> {
    try {
      const file = await openPlainFile(join(this.#folder, path));
      try {
        return (await file.stat()).size;
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isG8Error(error, 'ERR_NO_INPUT')) return undefined;
      throw error;
    }
  }

  async *open(path: string): AsyncGenerator<Uint8Array, void, void> {
    const full = join(this.#folder, path);
    const file = await openPlainFile(full);
    try {
      yield* readRange(file, full, 0, Number.POSITIVE_INFINITY);
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {}
}

/**
 * Opens a plain file; a pipe in its place is not waited for.
 *
 * @throws ERR_NO_INPUT also when it is no plain file
 */
export async function openPlainFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${path} cannot be opened`);
  }
  throw new G8Error('ERR_NO_INPUT', `${path} is no plain file`);
}

/** Bytes `start` to `end` of a file; fewer when it is shorter. */
export async function* readRange(
  file: FileHandle,
  name: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, void> {
  for (let at = start; at < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_SIZE, end - at));
    let count: number;
    try {
      ({ bytesRead: count } = await file.read(piece, 0, piece.length, at));
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${name} cannot be read`);
    }
    if (count === 0) return;
    at += count;
    yield piece.subarray(0, count);
  }
}
