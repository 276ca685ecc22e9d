/** What is known of blocks beside their bytes: who has sent them, and of which files they are. */
import type { ChunkId } from '../store/store.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { BLOCK, FILE, FILE_BLOCK, PACKAGE, USER_BLOCK } from './catalogue/records.ts';

const INDEX_DIGITS = 8;
export const INDEX_MAX: number = 10 ** INDEX_DIGITS - 1;
/** Blocks of a file in one answer: 64 GiB of blocks of the usual size. */
const FILE_BLOCKS_MAX = 65_536;

export interface NewBlock {
  readonly id: ChunkId;
  readonly size: number;
  readonly user: string | undefined;
  /** The file that it is a part of, if that was said. */
  readonly file: { readonly hash: string; readonly index: number } | undefined;
}

export async function putBlock(catalogue: Catalogue, block: NewBlock): Promise<void> {
  const { id, size, user = '', file } = block;
  await catalogue.transaction(async (transaction) => {
    const created = Date.now();
    if ((await transaction.get(BLOCK, id)) === undefined) {
      transaction.put(BLOCK, [id], { size, created });
    }
    if ((await transaction.get(USER_BLOCK, user, id)) === undefined) {
      transaction.put(USER_BLOCK, [user, id], { size, created });
    }
    if (file !== undefined) {
      const index = String(file.index).padStart(INDEX_DIGITS, '0');
      transaction.put(FILE_BLOCK, [file.hash, index, id], { created });
    }
  });
}

/** The blocks of a file and their indexes; none when no such file is known. */
export async function blocksOfFile(
  catalogue: Catalogue,
  hash: string,
): Promise<[id: ChunkId, index: number][]> {
  const blocks: [ChunkId, number][] = [];
  const options = { limit: FILE_BLOCKS_MAX };
  for await (const { parts } of catalogue.list(FILE_BLOCK, [hash], options)) {
    blocks.push([parts[2] as string, Number(parts[1])]);
  }
  if (blocks.length > 0) return blocks;
  const file = await catalogue.get(FILE, hash);
  const saved = file && (await catalogue.get(PACKAGE, file.digest));
  return (saved?.pieces ?? []).map((piece, index) => [piece, index]);
}

export interface BlockPage {
  readonly blocks: readonly { readonly id: ChunkId; readonly size: number }[];
  /** Of all pages. */
  readonly total: number;
}

/** A page of all blocks, or of those that a user has sent, sorted. Pages are counted from 1. */
export async function pageOfBlocks(
  catalogue: Catalogue,
  { page, per_page: count }: { readonly page: number; readonly per_page: number },
  user?: string,
): Promise<BlockPage> {
  const blocks: { id: ChunkId; size: number }[] = [];
  const start = (page - 1) * count;
  let total = 0;
  const all = user === undefined ? catalogue.list(BLOCK) : catalogue.list(USER_BLOCK, [user]);
  for await (const { parts, value } of all) {
    if (total >= start && total < start + count) {
      blocks.push({ id: parts.at(-1) as string, size: value.size });
    }
    total++;
  }
  return { blocks, total };
}
