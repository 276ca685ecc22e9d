/** Counts with their words. Pure. */

/**
 * `1 chunk`, `2 chunks`.
 *
 * @param many word for all counts but one, where it is not `one` with an s
 */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
