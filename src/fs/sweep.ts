/**
 * Notices readers that go through the tree file by file (`cp -a`, `tar`, `find | xargs cat`), and says which
 * contents they will open next. The files of one directory follow each other in the order of inodes, and so do
 * those of neighbouring directories without folders in them (docs/format.md, section 4).
 *
 * Only misses are seen here: what was fetched ahead in time is opened without asking anybody. So a miss at or behind
 * the end of what was fetched means that the reader came all the way, and the window grows.
 *
 * Concurrency: for one event loop. Knows nothing of fetching.
 */
import type { ContentsReader } from '../format/index/contents-reader.ts';

/** Misses in order before anything is fetched ahead: programs open a few neighbours by chance. */
const MATCHES_MIN = 4;
/** Files of the first window and of the largest. */
const WINDOW_MIN = 8;
const WINDOW_MAX = 256;
/** Plain bytes of one window: what a reader who stops right then has cost. */
const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** Contents above this are left to the readahead within them. */
const CONTENT_BYTES_MAX = 2 * 1024 * 1024;
/** Inodes without a content that a reader may pass and still be in order: folders, links, empty files. */
const GAP_MAX = 16;
/** Foretold files that it may pass as well. */
const FORETOLD_MAX = 256;
/** Inodes looked at for one window. */
const SCAN_MAX = 4 * WINDOW_MAX;
/** Readers followed at the same time, and folders that one of them will come back to. */
const TRACKS_MAX = 64;
/** What readers who kept to the order have earned: a new place is fetched ahead from at once. */
const CREDIT_MAX = 256;
/** Contents of an image up to which they are followed: the table takes 4 bytes for each. */
const CONTENTS_MAX = 4 * 1024 * 1024;

interface Track {
  /** Inode of the last miss. */
  last: number;
  /** Where what was fetched ahead ends (exclusive). */
  end: number;
  /** Files of the last window, 0 before the first. */
  window: number;
  matches: number;
}

export class Sweep {
  readonly #contents: ContentsReader;
  /** Most recent last. */
  readonly #tracks: Track[] = [];
  /** First inode of each content, 0 for none; made when it is first needed. */
  #inodes: Uint32Array | undefined;
  #credit = 0;
  readonly #isForetold: (content: number) => boolean;

  /** @param isForetold whether a content was fetched for another reason: it is passed without a miss */
  constructor(contents: ContentsReader, isForetold: (content: number) => boolean = () => false) {
    this.#contents = contents;
    this.#isForetold = isForetold;
  }

  /**
   * A reader waits for the beginning of this content.
   *
   * @returns the contents to fetch ahead, in order; each is returned once per reader
   */
  miss(content: number): number[] {
    const { inodes, contents } = this.#contents.totals();
    if (contents > CONTENTS_MAX) return [];
    this.#inodes ??= this.#contents.firstInodes();
    const inode = this.#inodes[content] ?? 0;
    if (inode === 0) return [];
    const track = this.#track(inode);
    if (track.matches < MATCHES_MIN) return [];
    // Still well within what is on its way: the reader is faster than the network.
    if (track.end - inode - 1 > track.window / 2) return [];
    this.#credit = Math.min(CREDIT_MAX, this.#credit + track.window);
    track.window = Math.min(WINDOW_MAX, Math.max(WINDOW_MIN, track.window * 2));
    return this.#window(track, inodes);
  }

  /** Nothing more is fetched ahead until somebody has earned it anew. */
  stop(): void {
    this.#tracks.length = 0;
    this.#credit = 0;
  }

  #track(inode: number): Track {
    const index = this.#tracks.findLastIndex((track) => this.#isNext(track, inode));
    if (index >= 0) {
      const [track] = this.#tracks.splice(index, 1) as [Track];
      this.#tracks.push(track);
      track.last = inode;
      track.end = Math.max(track.end, inode + 1);
      track.matches++;
      return track;
    }
    const track = { last: inode, end: inode + 1, window: 0, matches: 1 };
    const advance = Math.floor(this.#credit / 4);
    if (advance >= WINDOW_MIN) {
      this.#credit -= advance;
      track.matches = MATCHES_MIN;
      track.window = Math.floor(Math.min(advance, WINDOW_MAX / 4) / 2);
    }
    this.#tracks.push(track);
    if (this.#tracks.length > TRACKS_MAX) this.#tracks.shift();
    return track;
  }

  // In what was fetched ahead, or the first file behind it.
  #isNext({ last, end }: Track, inode: number): boolean {
    if (inode <= last || inode > end + GAP_MAX + FORETOLD_MAX) return false;
    let gap = 0;
    for (let passed = end; passed < inode; passed++) {
      const content = this.#contents.contentOf(passed);
      if (content === undefined) gap++;
      else if (!this.#isForetold(content)) return false;
    }
    return gap <= GAP_MAX;
  }

  #window(track: Track, inodeCount: number): number[] {
    const found = new Set<number>();
    let bytes = 0;
    let inode = track.end;
    const scanEnd = Math.min(inodeCount + 1, inode + SCAN_MAX);
    while (inode < scanEnd && found.size < track.window && bytes < WINDOW_BYTES_MAX) {
      const content = this.#contents.contentOf(inode++);
      if (content === undefined || found.has(content)) continue;
      const { size } = this.#contents.content(content);
      if (size > CONTENT_BYTES_MAX) continue;
      found.add(content);
      bytes += size;
    }
    track.end = inode;
    return [...found];
  }
}
