/**
 * Opens a layout or archive of this machine as files: a folder, a plain tar in place, a compressed one from
 * a plain copy that goes when it is closed.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { toG8Error } from '../../base/errors.ts';
import { malformedImage } from '../../format/oci/malformed.ts';
import { fileStream } from '../file-stream.ts';
import type { Decompress } from './image.ts';
import { FolderFiles, type ImageFiles, openPlainFile } from './image-files.ts';
import { TarFiles } from './tar-files.ts';

/** An archive of layers that are compressed themselves hardly grows. */
const PLAIN_SIZE_MAX = 256 * 1024 ** 3;
const RATIO_MAX = 1100;
const RATIO_SIZE_MIN = 256 * 1024 ** 2;
const READ_SIZE = 1024 * 1024;

export interface OpenFilesOptions {
  /** Where a plain copy goes. */
  readonly tmpDir: string;
  readonly decompress: Decompress;
  /** Bytes of a plain copy; see {@link PLAIN_SIZE_MAX}. */
  readonly unpackedSizeMax?: number | undefined;
  readonly signal: AbortSignal;
}

/** @throws ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_IO, ERR_CREATE, ERR_ABORTED */
export async function openImageFiles(path: string, options: OpenFilesOptions): Promise<ImageFiles> {
  const info = await stat(path).catch((error: unknown) => {
    throw toG8Error(error, 'ERR_NO_INPUT', `${path} cannot be opened`);
  });
  if (info.isDirectory()) return new FolderFiles(path);
  if (!(await isCompressed(path))) return await TarFiles.open(path, path, options);
  const folder = await mkdtemp(join(options.tmpDir, 'g8ufs-oci-')).catch((error: unknown) => {
    throw toG8Error(error, 'ERR_CREATE', `No temporary folder can be made in ${options.tmpDir}`);
  });
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const copy = join(folder, 'plain.tar');
    await decompressFile(path, copy, info.size, options);
    return withRemoval(await TarFiles.open(copy, path, options), remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

function withRemoval(files: ImageFiles, remove: () => Promise<void>): ImageFiles {
  return {
    name: files.name,
    sizeOf: (path) => files.sizeOf(path),
    open: (path) => files.open(path),
    close: async () => {
      await files.close();
      await remove();
    },
  };
}

/** A tar begins with a name, and no name begins with these: gzip, zstd, xz. */
async function isCompressed(path: string): Promise<boolean> {
  const file = await openPlainFile(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const head = buffer.toString('hex');
    return head.startsWith('1f8b') || head === '28b52ffd' || head === 'fd377a58';
  } finally {
    await file.close();
  }
}

async function decompressFile(
  from: string,
  to: string,
  size: number,
  { decompress, unpackedSizeMax, signal }: OpenFilesOptions,
): Promise<void> {
  const usual = Math.min(PLAIN_SIZE_MAX, Math.max(RATIO_SIZE_MIN, RATIO_MAX * size));
  const bound = unpackedSizeMax ?? usual;
  const bytes = fileStream(from, { highWaterMark: READ_SIZE, signal });
  const limited = async function* () {
    let total = 0;
    for await (const piece of decompress(bytes as AsyncIterable<Uint8Array>)) {
      total += piece.length;
      if (total > bound) {
        throw malformedImage(`${from} unpacks to more than ${bound} bytes (--unpack-limit)`);
      }
      yield piece;
    }
  };
  try {
    await pipeline(limited, createWriteStream(to, { flags: 'wx', mode: 0o600 }), { signal });
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${from} cannot be unpacked`);
  }
}
