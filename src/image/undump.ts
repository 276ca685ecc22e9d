/** Reads a dump from a file or a stream, line by line. */

import { throwIfAborted } from '../base/abort.ts';
import { G8Error } from '../base/errors.ts';
import { parseDump } from '../format/flist/parse-dump.ts';
import type { Inode } from '../format/tree.ts';
import { namedError } from './named-error.ts';

/** A file of 800 GiB in chunks of 512 KiB has a line of this length. */
const LINE_SIZE_MAX = 256 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * @param source bytes of the dump
 * @param name of it, for messages
 * @throws ERR_FLIST_FORMAT naming the line, ERR_NO_INPUT, ERR_IO, ERR_ABORTED
 */
export async function readDump(
  source: AsyncIterable<Uint8Array>,
  name: string,
  signal?: AbortSignal,
): Promise<Inode> {
  try {
    return await parseDump(linesOf(source, signal));
  } catch (error) {
    throw namedError(error, name);
  }
}

async function* linesOf(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of source) {
    throwIfAborted(signal);
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      pieces.push(bytes.subarray(start, end));
      yield Buffer.concat(pieces).toString('latin1');
      pieces = [];
      size = 0;
      start = end + 1;
    }
    pieces.push(bytes.subarray(start));
    size += bytes.length - start;
    if (size > LINE_SIZE_MAX) {
      throw new G8Error('ERR_FLIST_FORMAT', `A line of the dump exceeds ${LINE_SIZE_MAX} bytes`);
    }
  }
  if (size > 0) yield Buffer.concat(pieces).toString('latin1');
}
