/** Words that are looked for in names, in upper or lower case alike. */
const QUERY_LENGTH_MAX = 200;

/** The words of a search; none finds everything. */
export function wordsOf(query: string): string[] {
  const words = query.trim().slice(0, QUERY_LENGTH_MAX).toLowerCase().split(/\s+/);
  return words.filter((word) => word !== '');
}

export function hasWords(name: string, words: readonly string[]): boolean {
  const text = name.toLowerCase();
  return words.every((word) => text.includes(word));
}
