/**
 * What a profile means for one image: which blocks of which contents to fetch, in order. A file that is still
 * the same is found by its content, whatever its name is now; one that has changed by its path, where the
 * places that a start reads have seldom moved. Pure but for the index that it reads.
 */
import { checkpoint } from '../base/abort.ts';
import { isG8Error } from '../base/errors.ts';
import type { ContentSummary, ContentsReader } from '../format/index/contents-reader.ts';
import type { MountIndexReader } from '../format/index/reader.ts';
import { cover, type PageRange, PROFILE_PAGE_SIZE, type Profile } from '../format/profile.ts';
import { resolvePath } from './resolve.ts';

/** Blocks `first` to `first + count` (exclusive) of the content in a row of the content table. */
export interface BlockSpan {
  readonly row: number;
  readonly first: number;
  readonly count: number;
}

export interface ProfilePlan {
  /** In the order of the profile, each block once. */
  readonly spans: readonly BlockSpan[];
  /** Plain bytes of the spans. */
  readonly bytes: number;
  readonly entries: {
    readonly byContent: number;
    readonly byPath: number;
    /** Of files that the image does not have. */
    readonly absent: number;
  };
  /** So little of it is in the image that it is another image's. */
  readonly stale: boolean;
}

/** A profile is of another image when more than this share of its entries is not in the image. */
const ABSENT_SHARE_MAX = 0.5;
/** Entries looked up before the event loop gets a turn: about 2 ms. */
const ENTRIES_PER_TURN = 256;

interface Source {
  readonly contents: ContentsReader;
  readonly index: MountIndexReader;
}

/** @throws ERR_FLIST_FORMAT when the index is malformed; ERR_ABORTED */
export async function planProfile(
  profile: Profile,
  image: Source,
  signal?: AbortSignal,
): Promise<ProfilePlan> {
  const planner = new Planner(image);
  for (const [place, entry] of profile.entries.entries()) {
    if (place % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await checkpoint(signal);
    planner.add(entry);
  }
  return planner.plan();
}

class Planner {
  readonly #image: Source;
  readonly #spans: BlockSpan[] = [];
  readonly #planned = new Map<number, PageRange[]>();
  readonly #entries = { byContent: 0, byPath: 0, absent: 0 };
  #bytes = 0;

  constructor(image: Source) {
    this.#image = image;
  }

  add({ content, path, ranges }: Profile['entries'][number]): void {
    const sameContent = this.#image.contents.findByPrefix(content);
    const row = sameContent ?? this.#rowAt(path);
    if (row === undefined) this.#entries.absent++;
    else if (sameContent === undefined) this.#entries.byPath++;
    else this.#entries.byContent++;
    if (row === undefined) return;
    const summary = this.#image.contents.content(row);
    for (const range of ranges) this.#addRange(row, summary, range);
  }

  plan(): ProfilePlan {
    const { byContent, byPath, absent } = this.#entries;
    const stale = absent > (byContent + byPath + absent) * ABSENT_SHARE_MAX;
    return { spans: this.#spans, bytes: this.#bytes, entries: { ...this.#entries }, stale };
  }

  #rowAt(path: Uint8Array): number | undefined {
    const { index, contents } = this.#image;
    const found = resolveQuietly(index, path);
    if (found === undefined) return undefined;
    const inode = index.inode(found);
    return inode.type === 'file' ? contents.contentOf(inode.ino) : undefined;
  }

  /** Blocks that a range lies in, without those that are planned already. */
  #addRange(row: number, content: ContentSummary, range: PageRange): void {
    const { blockSize, chunkCount, size } = content;
    const perBlock = blockSize / PROFILE_PAGE_SIZE;
    const start = Math.floor(range.first / perBlock);
    const end = Math.min(chunkCount, Math.ceil((range.first + range.count) / perBlock));
    if (start >= end) return;
    const planned = this.#planned.get(row) ?? [];
    this.#planned.set(row, planned);
    for (const { first, count } of cover(planned, { first: start, count: end - start })) {
      this.#bytes += Math.min(size, (first + count) * blockSize) - first * blockSize;
      const last = this.#spans.at(-1);
      if (last !== undefined && last.row === row && last.first + last.count === first) {
        this.#spans[this.#spans.length - 1] = { ...last, count: last.count + count };
      } else {
        this.#spans.push({ row, first, count });
      }
    }
  }
}

// Links in circles lead nowhere, like a path that is not there.
function resolveQuietly(index: MountIndexReader, path: Uint8Array): number | undefined {
  try {
    return resolvePath(index, path, { followLast: false })?.nid;
  } catch (error) {
    if (isG8Error(error, 'ERR_NO_INPUT')) return undefined;
    throw error;
  }
}
