/**
 * Worker thread that writes `kernel.erofs` into the folder of an unpacked image: a large tree takes
 * seconds, which the mounts of others must not feel. Reports `undefined`, or the error as plain values.
 */
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { equalBytes } from '../../base/bytes.ts';
import { toG8Error } from '../../base/errors.ts';
import { ContentsReader } from '../../format/index/contents-reader.ts';
import { kernelImage } from '../../format/index/kernel-image.ts';
import { MountIndexReader } from '../../format/index/reader.ts';
import { type FileSource, openFileSource } from '../../image/file-source.ts';
import { INDEX_FILES, KERNEL_FILE } from '../../image/index-files.ts';
import type { WorkResult } from '../run-worker.ts';

/** What the worker is started with. */
export interface ImageWork {
  readonly dir: string;
  /** Name beside {@link KERNEL_FILE} for the image in the making. */
  readonly temporary: string;
}

function write({ dir, temporary }: ImageWork): void {
  const files = INDEX_FILES.map((name) => openFileSource(join(dir, name)));
  try {
    const [erofs, contents, chunks] = files as [FileSource, FileSource, FileSource];
    const pieces = kernelImage(new MountIndexReader(erofs), new ContentsReader(contents, chunks));
    // Of our own writer, as nearly all are: the file that is there already will do.
    if (isEqual(pieces(), erofs)) linkSync(join(dir, INDEX_FILES[0]), join(dir, temporary));
    else writePieces(pieces(), join(dir, temporary));
    renameSync(join(dir, temporary), join(dir, KERNEL_FILE));
  } finally {
    for (const file of files) file.close();
    // Gone by then when all went well.
    rmSync(join(dir, temporary), { force: true });
  }
}

function isEqual(pieces: Iterable<Uint8Array>, file: FileSource): boolean {
  let offset = 0;
  for (const piece of pieces) {
    if (piece.length > file.size - offset) return false;
    if (!equalBytes(piece, file.read(offset, piece.length))) return false;
    offset += piece.length;
  }
  return offset === file.size;
}

function writePieces(pieces: Iterable<Uint8Array>, path: string): void {
  const fd = openSync(path, 'wx', 0o444);
  try {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
    }
    // It is believed in from then on: it must not come back cut after a power loss.
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

let result: WorkResult;
try {
  write(workerData as ImageWork);
} catch (error) {
  const { code, message } = toG8Error(error, 'ERR_IO', 'Metadata image cannot be written');
  result = { code, message };
}
parentPort?.postMessage(result);
