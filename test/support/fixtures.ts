/** Finds the folder of recorded flists and chunks that tests compare with. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder, or `undefined` where it is not installed: tests are then skipped, but fail where
 * CI=true. G8UFS_FIXTURES names it; else it is looked for as `shared/fixtures` beside the package
 * and above.
 */
export function fixturesDir(): string | undefined {
  const named = process.env['G8UFS_FIXTURES'];
  if (named !== undefined && named !== '') return named;
  let folder = import.meta.dirname;
  for (;;) {
    const candidate = join(folder, 'shared', 'fixtures');
    if (existsSync(candidate)) return candidate;
    const parent = dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  if (process.env['CI'] === 'true') throw new Error('Fixtures are missing: set G8UFS_FIXTURES');
  return undefined;
}
