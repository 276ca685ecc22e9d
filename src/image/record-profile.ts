/** First touches, as the driver notes them, as a start profile. */
import { checkpoint } from '../base/abort.ts';
import type { ContentsReader } from '../format/index/contents-reader.ts';
import type { MountIndexReader } from '../format/index/reader.ts';
import {
  CONTENT_NAME_SIZE,
  type PageRange,
  PROFILE_PAGE_SIZE,
  type Profile,
  ProfileBuilder,
} from '../format/profile.ts';

/** Entries and touches looked at before the event loop gets a turn. */
const STEPS_PER_TURN = 4096;

export interface RecordedProfile extends Profile {
  /** There was more than a profile has room for. */
  readonly cut: boolean;
}

/**
 * @param touches pairs of a row of the content table and a block, in the order of the first touch
 * @throws ERR_FLIST_FORMAT when the index is malformed; ERR_ABORTED
 */
export async function profileOf(
  touches: Uint32Array,
  image: {
    readonly contents: ContentsReader;
    readonly index: MountIndexReader;
    readonly rootDigest: Uint8Array;
  },
  signal?: AbortSignal,
): Promise<RecordedProfile> {
  const { contents, index, rootDigest } = image;
  const rows = new Set<number>();
  for (let at = 0; at < touches.length; at += 2) rows.add(touches[at] as number);
  const paths = await pathsOf(rows, contents, index, signal);
  const builder = new ProfileBuilder();
  for (let at = 0; at + 1 < touches.length; at += 2) {
    if (at % STEPS_PER_TURN === STEPS_PER_TURN - 2) await checkpoint(signal);
    const row = touches[at] as number;
    const content = contents.content(row);
    const path = paths.get(row);
    if (path === undefined) continue;
    const name = content.digest.subarray(0, CONTENT_NAME_SIZE);
    if (!builder.add(name, path, pagesOf(content, touches[at + 1] as number))) {
      return { ...builder.build(rootDigest), cut: true };
    }
  }
  return { ...builder.build(rootDigest), cut: false };
}

function pagesOf(content: { readonly blockSize: number; size: number }, block: number): PageRange {
  const start = block * content.blockSize;
  const bytes = Math.min(content.blockSize, content.size - start);
  return { first: start / PROFILE_PAGE_SIZE, count: Math.ceil(bytes / PROFILE_PAGE_SIZE) };
}

/** The first path in tree order of each of these contents. */
async function pathsOf(
  rows: ReadonlySet<number>,
  contents: ContentsReader,
  index: MountIndexReader,
  signal: AbortSignal | undefined,
): Promise<Map<number, Uint8Array>> {
  const paths = new Map<number, Uint8Array>();
  if (rows.size === 0) return paths;
  let steps = 0;
  for (const entry of index.walk()) {
    if (++steps % STEPS_PER_TURN === 0) await checkpoint(signal);
    if (entry.type !== 'file') continue;
    const row = contents.contentOf(entry.inode.ino);
    if (row === undefined || !rows.has(row) || paths.has(row)) continue;
    paths.set(row, entry.path());
    if (paths.size === rows.size) break;
  }
  return paths;
}
