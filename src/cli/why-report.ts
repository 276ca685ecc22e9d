/** What `flist why` prints: a chunk or content with the files that have it, a file with its chunks. */
import { formatSize, toHex } from '../base/bytes.ts';
import { CODEC } from '../base/codec.ts';
import { G8Error } from '../base/errors.ts';
import { jsonName, printableName } from '../base/name-text.ts';
import type { Image } from '../image/open.ts';
import {
  type ChunkUse,
  contentsWith,
  findUses,
  isStored,
  type PlacedChunk,
  pathsOf,
  placedChunks,
} from '../image/why.ts';
import type { Context } from './context.ts';
import type { FoundEntry } from './image-access.ts';
import { jsonLine } from './ui/json.ts';
import { Output } from './ui/output.ts';

export interface WhyAccess {
  readonly context: Context;
  readonly image: Image;
  /** The ones of these chunks that no store has; absent when nobody asked. */
  readonly lookup: ((ids: readonly string[]) => Promise<ReadonlySet<string>>) | undefined;
}

const CODEC_NAMES = {
  [CODEC.hole]: 'hole',
  [CODEC.zstd]: 'zstd',
  [CODEC.legacyG1]: 'g1',
  [CODEC.legacyG2]: 'g2',
  [CODEC.lost]: 'lost',
};
type FoundUse = ChunkUse & { readonly by: 'content' | 'chunk' };

/** Uses of one prefix: somebody who gives four digits wants a chunk, not half the image. */
const USES_MAX = 100_000;

/**
 * Prints the uses of chunks and contents whose ids begin with `prefix`.
 *
 * @returns false when a store was asked and lacks a chunk
 * @throws ERR_NO_INPUT when there are none
 */
export async function whyChunk(access: WhyAccess, prefix: string): Promise<boolean> {
  const { context, image } = access;
  const uses = new Map<number, FoundUse>();
  for await (const use of findUses(image, prefix, context.signal)) {
    // A content of one chunk has that chunk's digest, but the chunk has another id.
    if (!uses.has(use.content)) uses.set(use.content, use);
    if (uses.size > USES_MAX) {
      throw new G8Error('ERR_USAGE', `${prefix} begins the ids of more than ${USES_MAX} contents`);
    }
  }
  if (uses.size === 0) {
    throw new G8Error('ERR_NO_INPUT', `Nothing in ${image.source} is named ${prefix}`);
  }
  const ids = [...uses.values()].flatMap(({ chunks }) => chunks).filter(isStored);
  const absent = await access.lookup?.(ids.map(({ id }) => id));
  const output = new Output(context);
  const groups = new Map<string, { place: string; path: Uint8Array }[]>();
  for await (const { path, content } of pathsOf(image, uses, context.signal)) {
    const use = uses.get(content) as FoundUse;
    if (context.json) {
      const chunks = use.chunks.map((chunk) => chunkJson(chunk, absent));
      const line = { ...jsonName('path', path), by: use.by, content: use.digest, chunks };
      await output.write(jsonLine(line));
    } else addToGroups(groups, use, path, absent);
  }
  for (const [title, members] of groups) {
    await output.line(title);
    for (const { place, path } of members) {
      await output.write(`  ${place}`);
      await output.write(printableName(path, context.stdout.isTTY === true));
      await output.write('\n');
    }
  }
  if (!context.json) await printStores(output, image);
  await output.flush();
  return absent === undefined || absent.size === 0;
}

/** Files by the chunk or content that they were found by. */
function addToGroups(
  groups: Map<string, { place: string; path: Uint8Array }[]>,
  { by, digest, chunks }: FoundUse,
  path: Uint8Array,
  absent: ReadonlySet<string> | undefined,
): void {
  const add = (title: string, place: string): void => {
    const members = groups.get(title) ?? [];
    members.push({ place, path });
    groups.set(title, members);
  };
  if (by === 'content') add(`Content ${toHex(digest)}`, '');
  else for (const chunk of chunks) add(`Chunk ${describe(chunk, absent)}`, `at ${chunk.offset}  `);
}

/**
 * Prints the chunks of a file and the other files that have them.
 *
 * @returns false when a store was asked and lacks a chunk
 * @throws ERR_NO_INPUT for what is no regular file
 */
export async function whyPath(access: WhyAccess, { path, inode }: FoundEntry): Promise<boolean> {
  const { context, image } = access;
  const { contents } = image;
  if (inode.type !== 'file') {
    const name = Buffer.from(path).toString();
    throw new G8Error('ERR_NO_INPUT', `${name} is no regular file: it has no chunks`);
  }
  const output = new Output(context);
  const content = contents.contentOf(inode.ino);
  const summary = content === undefined ? undefined : contents.content(content);
  const chunks = summary === undefined ? [] : [...placedChunks(contents, summary)];
  const ids = new Set(chunks.filter(isStored).map(({ id }) => id));
  const absent = await access.lookup?.([...ids]);
  const sharing =
    ids.size === 0 ? new Set<number>() : await contentsWith(image, ids, context.signal);
  const others = await otherPaths(access, path, sharing);
  if (context.json) {
    await output.write(
      jsonLine({
        ...jsonName('path', path),
        size: inode.size,
        ...(summary !== undefined && { content: summary.digest }),
        chunks: chunks.map((chunk) => chunkJson(chunk, absent)),
        sharedWith: others.map((other) => jsonName('path', other)),
      }),
    );
  } else {
    for (const chunk of chunks) {
      await output.line(`${String(chunk.offset).padStart(12)}  ${describe(chunk, absent)}`);
    }
    if (chunks.length === 0) await output.line('no chunks: the file is empty');
    if (others.length > 0) await output.line('\nThe same chunks are in:');
    for (const other of others) {
      await output.write('  ');
      await output.write(printableName(other, context.stdout.isTTY === true));
      await output.write('\n');
    }
    await printStores(output, image);
  }
  await output.flush();
  return absent === undefined || absent.size === 0;
}

async function otherPaths(
  { context, image }: WhyAccess,
  path: Uint8Array,
  sharing: ReadonlySet<number>,
): Promise<Uint8Array[]> {
  const others: Uint8Array[] = [];
  if (sharing.size === 0) return others;
  for await (const found of pathsOf(image, sharing, context.signal)) {
    if (Buffer.compare(found.path, path) !== 0) others.push(found.path);
  }
  return others;
}

/** Where the chunks would be asked for, in that order. */
async function printStores(output: Output, image: Image): Promise<void> {
  const { storesOf } = await import('./image-access.ts');
  const stores = await storesOf(image);
  if (stores.length > 0) await output.line(`\nStores: ${stores.join(' ')}`);
}

function describe(chunk: PlacedChunk, absent: ReadonlySet<string> | undefined): string {
  const { codec, id, size, storedSize } = chunk;
  if (!isStored(chunk)) return `${CODEC_NAMES[codec]} of ${formatSize(size)}`;
  const stored = storedSize === 0 ? 'stored size unknown' : `${formatSize(storedSize)} stored`;
  const presence = absent === undefined ? '' : absent.has(id) ? ', in no store' : ', in a store';
  return `${id}  ${CODEC_NAMES[codec]}, ${formatSize(size)}, ${stored}${presence}`;
}

function chunkJson(chunk: PlacedChunk, absent: ReadonlySet<string> | undefined) {
  const { offset, size, codec, id, storedSize } = chunk;
  const isData = isStored(chunk);
  return {
    offset,
    size,
    codec: CODEC_NAMES[codec],
    ...(isData && { id, storedSize }),
    ...(isData && absent !== undefined && { present: !absent.has(id) }),
  };
}
