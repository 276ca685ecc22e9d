/** Bounds that an administrator gives images in the cache: `<sources>=<size>`, the first that fits counts. Pure. */
import { parseSize } from '../base/bytes.ts';

/** Some blocks of the largest size: with less, nothing would stay. */
export const QUOTA_BYTES_MIN = 16 * 1024 * 1024;
/** Looked through for each mount. */
const RULES_MAX = 1024;

/** What the sources that fit may take of the cache. */
export interface QuotaRule {
  /** Path or URL of a flist; one that ends in `*` is the beginning of them. */
  readonly pattern: string;
  readonly bytesMax: number;
  /** All that fit have the bound together, not each of them. */
  readonly isTogether: boolean;
}

/** @returns the rules in their order; `undefined` when one of them has no meaning */
export function parseQuotaRules(texts: readonly string[]): QuotaRule[] | undefined {
  if (texts.length > RULES_MAX) return undefined;
  const rules: QuotaRule[] = [];
  for (const text of texts) {
    // A URL may have a '=' of its own.
    const [, pattern = '', size = '', together] = /^(.+)=([^=:]+)(:together)?$/.exec(text) ?? [];
    const bytesMax = parseSize(size);
    if (!isPattern(pattern) || bytesMax === undefined || bytesMax < QUOTA_BYTES_MIN) {
      return undefined;
    }
    rules.push({ pattern, bytesMax, isTogether: together !== undefined });
  }
  return rules;
}

/** What could never fit a source is a mistake. */
function isPattern(pattern: string): boolean {
  return /^(\*|(\/|https?:\/\/)[^*]*\*?)$/i.test(pattern);
}
