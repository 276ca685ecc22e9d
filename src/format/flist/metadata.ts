/**
 * Settings that go with a flist: what to start, its environment, a readme. The sqlite generations keep
 * them in a table, ours in `metadata.json` (docs/format.md, section 2). Values are texts, for the known
 * keys compact JSON; nothing here judges them. Pure.
 */
import { G8Error } from '../../base/errors.ts';

/** In the order in which they were set. */
export type Metadata = ReadonlyMap<string, string>;

/** Bytes of `metadata.json`: a few lines for each key, a readme of some pages. */
export const METADATA_SIZE_MAX = 4 * 1024 * 1024;
export const METADATA_KEYS_MAX = 10_000;

/** Text of `metadata.json`. */
export function formatMetadata(metadata: Metadata): string {
  const members = [...metadata].map(([key, value]) => `  ${quote(key)}: ${quote(value)}`);
  return members.length === 0 ? '{}\n' : `{\n${members.join(',\n')}\n}\n`;
}

/**
 * Reads `metadata.json`.
 *
 * @throws ERR_FLIST_FORMAT when it is no object of texts, or too large
 */
export function parseMetadata(text: string): Metadata {
  let document: unknown;
  try {
    document = text.length > METADATA_SIZE_MAX ? undefined : JSON.parse(text);
  } catch {
    // Said below, like everything else that it should not be.
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new G8Error('ERR_FLIST_FORMAT', 'Metadata of the flist is no JSON object');
  }
  const entries = Object.entries(document);
  if (entries.length > METADATA_KEYS_MAX) {
    throw new G8Error('ERR_FLIST_FORMAT', 'Metadata of the flist has too many keys');
  }
  const metadata = new Map<string, string>();
  for (const [key, value] of entries) {
    if (typeof value !== 'string') {
      throw new G8Error('ERR_FLIST_FORMAT', 'Metadata of the flist has a value that is no text');
    }
    metadata.set(key, value);
  }
  return metadata;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
