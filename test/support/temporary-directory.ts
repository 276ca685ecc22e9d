/** A directory for one test, removed with everything in it when the test ends. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function temporaryDirectory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
  // The program, because it also removes trees deeper than PATH_MAX.
  context.after(() => execFileSync('rm', ['-rf', path]));
  return path;
}
