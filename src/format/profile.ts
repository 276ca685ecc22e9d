/**
 * Start profiles (docs/format.md, section 13): which parts of which files a start has read, in the order of
 * the first touch. Text in and out, and merging. A profile only says what is worth fetching early: nothing
 * in it is believed about contents. Pure.
 */
import { compareBytes, fromHex, toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { escapeBytes, unescapeBytes } from './flist/escape.ts';

/** Ranges count in these: the smallest block, so that other block sizes can be told exactly. */
export const PROFILE_PAGE_SIZE = 4096;
/** Text of a profile: a start that touches more is a sweep, which `--prefetch all` does better. */
export const PROFILE_SIZE_MAX = 4 * 1024 * 1024;
export const PROFILE_ENTRY_COUNT_MAX = 32_768;
/** Ranges of all entries. */
export const PROFILE_RANGE_COUNT_MAX = 131_072;
/** Bytes of a content digest that are kept: a name to find it by, no proof. */
export const CONTENT_NAME_SIZE = 16;
/** As Linux: PATH_MAX. */
const PATH_SIZE_MAX = 4096;
/** 2^40 pages are the largest file that numbers of JavaScript can tell. */
const PAGE_MAX = 2 ** 40;

/** Pages `first` to `first + count` (exclusive) of a file. */
export interface PageRange {
  readonly first: number;
  readonly count: number;
}

/** Parts of one file that were touched with no other file in between. */
export interface ProfileEntry {
  /** The first {@link CONTENT_NAME_SIZE} bytes of the content digest. */
  readonly content: Uint8Array;
  /** In the order they were touched; at least one. */
  readonly ranges: readonly PageRange[];
  /** One of the file's paths, beginning with a slash. */
  readonly path: Uint8Array;
}

export interface Profile {
  /** Root digest of the image that it was recorded with, 32 bytes. */
  readonly rootDigest: Uint8Array;
  /** In the order of the first touch. */
  readonly entries: readonly ProfileEntry[];
}

const TITLE = 'g8ufs profile 1';
/** Text before the entries. */
const HEAD_SIZE = 86;
/** Blanks and the end of an entry's line. */
const ENTRY_EXTRA_SIZE = 3;
/** A range with the comma behind it: two numbers of 13 digits. */
const RANGE_SIZE_MAX = 28;

/** The same profile is always the same text. */
export function formatProfile({ rootDigest, entries }: Profile): string {
  const lines = entries.map(({ content, ranges, path }) => {
    const words = ranges.map(({ first, count }) => `${first}+${count}`);
    return `${toHex(content)} ${words.join(',')} ${escapeBytes(path)}\n`;
  });
  return `${TITLE}\nroot ${toHex(rootDigest)}\n${lines.join('')}`;
}

/**
 * Reads a profile.
 *
 * @throws ERR_FLIST_FORMAT when it is none or too large; ERR_FLIST_VERSION when it is one of a later version
 */
export function parseProfile(text: string): Profile {
  if (text.length > PROFILE_SIZE_MAX) throw malformed('is too large');
  const [title = '', root = '', ...lines] = text.split('\n');
  if (title !== TITLE) {
    if (!/^g8ufs profile \d{1,9}$/.test(title)) throw malformed('is none');
    throw new G8Error('ERR_FLIST_VERSION', 'The profile is of a later version');
  }
  const digest = /^root ([0-9a-f]{64})$/.exec(root)?.[1];
  if (digest === undefined) throw malformed('has no root digest');
  // The last line ends like the others.
  if (lines.pop() !== '') throw malformed('is cut off');
  if (lines.length > PROFILE_ENTRY_COUNT_MAX) throw malformed('has too many entries');
  const entries: ProfileEntry[] = [];
  let rangeCount = 0;
  for (const line of lines) {
    const entry = parseEntry(line);
    if (entry === undefined) throw malformed(`is wrong in line ${entries.length + 3}`);
    rangeCount += entry.ranges.length;
    if (rangeCount > PROFILE_RANGE_COUNT_MAX) throw malformed('has too many ranges');
    entries.push(entry);
  }
  return { rootDigest: fromHex(digest) as Uint8Array, entries };
}

const ENTRY = /^([0-9a-f]{32}) ([0-9+,]+) (\/[!-~]*)$/;

function parseEntry(line: string): ProfileEntry | undefined {
  const [, name, list, word] = ENTRY.exec(line) ?? [];
  if (name === undefined || list === undefined || word === undefined) return undefined;
  const path = unescapeBytes(word);
  if (path === undefined || path.length > PATH_SIZE_MAX || path.includes(0)) return undefined;
  const ranges: PageRange[] = [];
  for (const range of list.split(',')) {
    // One way to write a number, so that one profile has one text.
    const [, first, count] = /^(0|[1-9]\d{0,12})\+([1-9]\d{0,12})$/.exec(range) ?? [];
    if (first === undefined || count === undefined) return undefined;
    if (Number(first) + Number(count) > PAGE_MAX) return undefined;
    ranges.push({ first: Number(first), count: Number(count) });
  }
  return { content: fromHex(name) as Uint8Array, ranges, path };
}

/**
 * Several profiles as one: entries of the same place in turn, so that what every start needs early comes
 * early. What an entry before has already is left out. The root digest is that of the first profile.
 *
 * @throws ERR_USAGE without any profile; ERR_FLIST_FORMAT when the result is too large for one
 */
export function mergeProfiles(profiles: readonly Profile[]): Profile {
  const [first] = profiles;
  if (first === undefined) throw new G8Error('ERR_USAGE', 'There is no profile to merge');
  const builder = new ProfileBuilder();
  const longest = Math.max(...profiles.map(({ entries }) => entries.length));
  for (let place = 0; place < longest; place++) {
    for (const { entries } of profiles) {
      const entry = entries[place];
      if (entry === undefined) continue;
      for (const range of entry.ranges) {
        if (!builder.add(entry.content, entry.path, range)) throw malformed('would be too large');
      }
    }
  }
  return builder.build(first.rootDigest);
}

interface OpenEntry {
  readonly content: Uint8Array;
  readonly ranges: PageRange[];
  readonly path: Uint8Array;
}

/** Puts touches together, in their order: neighbours become one range, what is there already is dropped. */
export class ProfileBuilder {
  readonly #entries: OpenEntry[] = [];
  readonly #covered = new Map<string, PageRange[]>();
  #rangeCount = 0;
  /** Of the text, at most. */
  #size = HEAD_SIZE;

  /**
   * Adds a touch of a file.
   *
   * @returns false when there is no room for it in a profile any more
   */
  add(content: Uint8Array, path: Uint8Array, range: PageRange): boolean {
    const name = toHex(content);
    const covered = this.#covered.get(name) ?? [];
    this.#covered.set(name, covered);
    for (const piece of cover(covered, range)) {
      if (!this.#append(content, path, piece)) return false;
    }
    return true;
  }

  build(rootDigest: Uint8Array): Profile {
    return { rootDigest, entries: this.#entries };
  }

  #append(content: Uint8Array, path: Uint8Array, piece: PageRange): boolean {
    let entry = this.#entries.at(-1);
    if (entry === undefined || compareBytes(entry.content, content) !== 0) {
      entry = { content, ranges: [], path };
      const size = 2 * content.length + escapeBytes(path).length + ENTRY_EXTRA_SIZE;
      if (this.#entries.length === PROFILE_ENTRY_COUNT_MAX || !this.#take(size)) return false;
      this.#entries.push(entry);
    }
    const { ranges } = entry;
    const last = ranges.at(-1);
    if (last !== undefined && last.first + last.count === piece.first) {
      ranges[ranges.length - 1] = { first: last.first, count: last.count + piece.count };
      return true;
    }
    if (this.#rangeCount === PROFILE_RANGE_COUNT_MAX || !this.#take(RANGE_SIZE_MAX)) return false;
    this.#rangeCount++;
    ranges.push(piece);
    return true;
  }

  /** Whether the text has room for so much more. */
  #take(size: number): boolean {
    if (this.#size + size > PROFILE_SIZE_MAX) return false;
    this.#size += size;
    return true;
  }
}

/**
 * Adds a range to those covered, which are sorted and apart, and stay so.
 *
 * @returns the parts of it that were not covered before
 */
export function cover(covered: PageRange[], range: PageRange): PageRange[] {
  const end = range.first + range.count;
  const from = findEndingAt(covered, range.first);
  const fresh: PageRange[] = [];
  let [mergedFirst, mergedEnd, at, to] = [range.first, end, range.first, from];
  for (; to < covered.length; to++) {
    const other = covered[to] as PageRange;
    if (other.first > end) break;
    if (other.first > at) fresh.push({ first: at, count: other.first - at });
    at = Math.max(at, other.first + other.count);
    mergedFirst = Math.min(mergedFirst, other.first);
    mergedEnd = Math.max(mergedEnd, at);
  }
  if (at < end) fresh.push({ first: at, count: end - at });
  covered.splice(from, to - from, { first: mergedFirst, count: mergedEnd - mergedFirst });
  return fresh;
}

/** Index of the first range that ends at or behind a page. */
function findEndingAt(covered: readonly PageRange[], page: number): number {
  let low = 0;
  let high = covered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { first, count } = covered[middle] as PageRange;
    if (first + count < page) low = middle + 1;
    else high = middle;
  }
  return low;
}

function malformed(reason: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `The profile ${reason}`);
}
