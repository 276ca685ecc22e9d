/**
 * Chunks of an image in groups: those that are in the same contents, so that whoever counts chunks by what
 * refers to them looks at a few groups for each file and not at its chunks. One pass over the contents;
 * about 80 bytes for each chunk meanwhile, 30 afterwards.
 */
import { checkpoint } from '../base/abort.ts';
import { ChunkTable } from './chunk-table.ts';
import type { Image } from './open.ts';

type Contents = Image['contents'];

/** Chunks between two looks at the signal. */
const CHECK_INTERVAL = 16_384;
/** The two groups of all chunks at first. */
const FOREIGN = 0;
const OWN = 1;
/** Stands for a hole or a lost chunk. */
const NONE = -1;

export interface ChunkGroups {
  readonly count: number;
  /** Stored bytes of the chunks of each group. */
  readonly stored: Float64Array;
  /** 1 for a group of chunks that the other images have too. */
  readonly isForeign: Uint8Array;
  /** The groups of content `i` are those in `members` from `starts[i]` to `starts[i + 1]`. */
  readonly starts: Uint32Array;
  readonly members: Uint32Array;
  /** Of each content. */
  readonly dataBytes: Float64Array;
}

/**
 * @param others images whose chunks form groups of their own
 * @throws ERR_FLIST_FORMAT, ERR_ABORTED
 */
export async function groupChunks(
  contents: Contents,
  others: readonly Contents[],
  signal: AbortSignal | undefined,
): Promise<ChunkGroups> {
  const all = [...others, contents];
  const table = new ChunkTable(all.reduce((sum, one) => sum + one.totals().chunks, 0));
  for (const other of others) await addChunks(table, other, signal);
  const foreignCount = table.count;
  const rows = await readRows(contents, table, signal);
  const groupOf = new Uint32Array(table.count).fill(OWN);
  groupOf.fill(FOREIGN, 0, foreignCount);
  split(rows, groupOf);
  return collect(rows, groupOf, foreignCount);
}

async function addChunks(
  table: ChunkTable,
  contents: Contents,
  signal: AbortSignal | undefined,
): Promise<void> {
  const scan = contents.scan();
  for (let work = 0; scan.next(); ) {
    for (; scan.nextChunk(); work++) if (scan.isStored) table.addWords(scan.id);
    if (++work >= CHECK_INTERVAL) {
      work = 0;
      await checkpoint(signal);
    }
  }
}

interface Rows {
  /** Number of the chunk of each row, or {@link NONE}. */
  readonly chunks: Int32Array;
  /** First row of each content, and the end. */
  readonly starts: Uint32Array;
  /** Of each chunk. */
  readonly stored: Float64Array;
  readonly dataBytes: Float64Array;
}

async function readRows(
  contents: Contents,
  table: ChunkTable,
  signal: AbortSignal | undefined,
): Promise<Rows> {
  const totals = contents.totals();
  const chunks = new Int32Array(totals.chunks).fill(NONE);
  const starts = new Uint32Array(totals.contents + 1);
  const stored = new Float64Array(table.count + totals.chunks);
  const dataBytes = new Float64Array(totals.contents);
  const scan = contents.scan();
  let row = 0;
  for (let work = 0; scan.next(); ) {
    starts[scan.index] = row;
    dataBytes[scan.index] = scan.dataBytes;
    for (; scan.nextChunk(); row++) {
      if (!scan.isStored) continue;
      const chunk = table.addWords(scan.id);
      chunks[row] = chunk;
      // Rows of one chunk may disagree in a malformed index; the largest counts.
      if (scan.storedSize > (stored[chunk] as number)) stored[chunk] = scan.storedSize;
    }
    work += 1 + scan.chunkCount;
    if (work >= CHECK_INTERVAL) {
      work = 0;
      await checkpoint(signal);
    }
  }
  starts[totals.contents] = row;
  return { chunks, starts, stored, dataBytes };
}

/**
 * Parts groups until all chunks of each are in the same contents: a content takes its chunks out of every
 * group that has some, together.
 */
function split({ chunks, starts }: Rows, groupOf: Uint32Array): void {
  // No more groups are made than there are rows.
  const taken = new Uint32Array(chunks.length + 2);
  const takenBy = new Uint32Array(chunks.length + 2);
  const lastContent = new Uint32Array(groupOf.length);
  let count = 2;
  for (let content = 0; content + 1 < starts.length; content++) {
    const end = starts[content + 1] as number;
    for (let row = starts[content] as number; row < end; row++) {
      const chunk = chunks[row] as number;
      if (chunk === NONE || lastContent[chunk] === content + 1) continue;
      lastContent[chunk] = content + 1;
      const group = groupOf[chunk] as number;
      if (takenBy[group] !== content + 1) {
        takenBy[group] = content + 1;
        taken[group] = count++;
      }
      groupOf[chunk] = taken[group] as number;
    }
  }
}

/** Numbers the groups that are left, and lists those of each content. */
function collect(rows: Rows, groupOf: Uint32Array, foreignCount: number): ChunkGroups {
  const { chunks, starts: firstRows, dataBytes } = rows;
  const numbers = new Int32Array(chunks.length + 2).fill(NONE);
  const counted = new Uint8Array(groupOf.length);
  const stored = new Float64Array(chunks.length);
  const isForeign = new Uint8Array(chunks.length);
  const lastContent = new Uint32Array(chunks.length);
  const starts = new Uint32Array(firstRows.length);
  const members = new Uint32Array(chunks.length);
  let count = 0;
  let used = 0;
  for (let content = 0; content + 1 < firstRows.length; content++) {
    starts[content] = used;
    const end = firstRows[content + 1] as number;
    for (let row = firstRows[content] as number; row < end; row++) {
      const chunk = chunks[row] as number;
      if (chunk === NONE) continue;
      const group = groupOf[chunk] as number;
      if (numbers[group] === NONE) numbers[group] = count++;
      const number = numbers[group] as number;
      if (counted[chunk] === 0) {
        counted[chunk] = 1;
        (stored[number] as number) += rows.stored[chunk] as number;
        if (chunk < foreignCount) isForeign[number] = 1;
      }
      if (lastContent[number] !== content + 1) {
        lastContent[number] = content + 1;
        members[used++] = number;
      }
    }
  }
  starts[firstRows.length - 1] = used;
  return { count, stored, isForeign, starts, members: members.slice(0, used), dataBytes };
}
