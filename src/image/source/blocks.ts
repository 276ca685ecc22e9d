/** Streams of file contents, cut into blocks as chunks want them. Each call is on its own. */
import type { TarEntry } from '../../format/tar/entry.ts';
import { regionsOf, type TarReader } from '../../format/tar/reader.ts';
import type { IndexedBlock } from './stream-packer.ts';

/** The blocks of the reader's current entry; those that a sparse file has nothing in do not come. */
export async function* entryBlocks(
  reader: TarReader,
  entry: TarEntry,
  blockSize: number,
): AsyncGenerator<IndexedBlock> {
  const { size } = entry;
  if (entry.regions === undefined) {
    for (let index = 0; index * blockSize < size; index++) {
      yield [index, await reader.read(Math.min(blockSize, size - index * blockSize))];
    }
    return;
  }
  let block: { index: number; data: Uint8Array } | undefined;
  for (const region of regionsOf(entry)) {
    for (let done = 0; done < region.length; ) {
      const offset = region.offset + done;
      const index = Math.floor(offset / blockSize);
      if (block?.index !== index) {
        if (block !== undefined) yield [block.index, block.data];
        const length = Math.min(blockSize, size - index * blockSize);
        block = { index, data: new Uint8Array(length) };
      }
      const within = offset - index * blockSize;
      const length = Math.min(region.length - done, blockSize - within);
      block.data.set(await reader.read(length), within);
      done += length;
    }
  }
  if (block !== undefined) yield [block.index, block.data];
}

/** Blocks of a content that comes in pieces of other sizes. */
export async function* cutBlocks(
  pieces: AsyncIterable<Uint8Array>,
  size: number,
  blockSize: number,
): AsyncGenerator<IndexedBlock> {
  let index = 0;
  let block = new Uint8Array(Math.min(blockSize, size));
  let filled = 0;
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.length; ) {
      const some = piece.subarray(taken, taken + block.length - filled);
      block.set(some, filled);
      taken += some.length;
      filled += some.length;
      if (filled < block.length) continue;
      yield [index++, block];
      const left = size - index * blockSize;
      if (left <= 0) return;
      block = new Uint8Array(Math.min(blockSize, left));
      filled = 0;
    }
  }
}
