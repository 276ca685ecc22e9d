/** What a flist contains, in the words of the historical tools. Pure. */
import type { MetadataDatabase } from '../../format/database.ts';
import { type ListedType, listRecords } from '../../format/flist/list-records.ts';

export interface Statistics {
  readonly regular: number;
  readonly symlink: number;
  readonly directory: number;
  readonly special: number;
  readonly failure: number;
  /** Bytes of all regular files. */
  readonly fullsize: number;
}

/** @throws ERR_FLIST_FORMAT */
export function countContents(database: MetadataDatabase): Statistics {
  const counts: Record<ListedType, number> = { regular: 0, symlink: 0, directory: 0, special: 0 };
  let fullsize = 0;
  for (const { type, size } of listRecords(database)) {
    counts[type]++;
    if (type === 'regular') fullsize += size;
  }
  return { ...counts, failure: 0, fullsize };
}

// Small pieces would cost more than what is in them.
const PIECE_LENGTH = 64 * 1024;

/**
 * JSON text of all entries and their counts, in pieces. Names that are not UTF-8 come with replacement
 * characters. It cannot fail when {@link countContents} did not.
 */
export function* formatContents(
  database: MetadataDatabase,
  statistics: Statistics,
): Generator<string> {
  let text = '{"content": [';
  let separator = '';
  for (const { path, size } of listRecords(database)) {
    const shown = Buffer.from(path.buffer, path.byteOffset, path.length).toString();
    text += `${separator}{"size": ${size}, "path": ${JSON.stringify(shown)}}`;
    separator = ', ';
    if (text.length < PIECE_LENGTH) continue;
    yield text;
    text = '';
  }
  yield `${text}], ${JSON.stringify(statistics).slice(1)}`;
}

/** What the historical hub says of a flist that it has made or taken. */
export function filesReport<T>(response: T): {
  readonly success: true;
  readonly error: null;
  readonly response: T;
  readonly status: 0;
} {
  return { success: true, error: null, response, status: 0 };
}
