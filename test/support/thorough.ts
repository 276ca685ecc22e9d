/**
 * How much a test does. Usually what shows most mistakes within the time of a CI run; with `G8UFS_THOROUGH=1` all
 * that it can (docs/testing.md).
 */
const THOROUGH = process.env['G8UFS_THOROUGH'] === '1';

/** The number for a usual run, or that for a thorough one. */
export function amount(usual: number, thorough: number): number {
  return THOROUGH ? thorough : usual;
}
