/** What the suites about disks share: a tree to read, a hub with it, and how a read of all of it went. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** No program of a suite may take longer. */
const CHILD_TIMEOUT_MS = 600_000;

/** Folders of a tree, which are read at the same time. */
export const PARTS = 4;

/** Bytes that do not compress, so that what is fetched is what is read. */
export function makeTree(dir: string, files: readonly number[]): number {
  for (const [index, size] of files.entries()) {
    const part = join(dir, `part-${index % PARTS}`);
    mkdirSync(part, { recursive: true });
    writeFileSync(join(part, `file-${index}`), randomBytes(size));
  }
  return files.reduce((sum, size) => sum + size, 0);
}

export interface Compared {
  /** Files whose bytes are others than they should be. */
  readonly wrong: number;
  /** Files that could not be read to their end. */
  readonly failed: number;
  readonly seconds: number;
  /** The first few lines of what was found. */
  readonly lines: readonly string[];
}

/**
 * Reads a mount from processes of its own, and compares every byte.
 *
 * @param count parts of the tree that are read; default all
 */
export async function compareTree(source: string, mnt: string, count = PARTS): Promise<Compared> {
  const start = performance.now();
  const parts = Array.from({ length: count }, (_, index) => `part-${index}`);
  const outputs = await Promise.all(
    parts.map((part) => output('diff', ['-r', '-q', join(source, part), join(mnt, part)])),
  );
  return { ...judge(outputs.join('\n')), seconds: (performance.now() - start) / 1000 };
}

/** What the lines of `diff -r -q` say. */
export function judge(text: string): Omit<Compared, 'seconds'> {
  const lines = text.split('\n').filter((line) => line !== '');
  const wrong = lines.filter((line) => / differ$|^Only in /.test(line)).length;
  return { wrong, failed: lines.length - wrong, lines: lines.slice(0, 5) };
}

/** Stdout and stderr of a program, however it ends. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const options = { maxBuffer: 1 << 26, timeout: CHILD_TIMEOUT_MS, cwd: '/' };
  try {
    const { stdout, stderr } = await execute(program, [...args], options);
    return stdout + stderr;
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      killed,
    } = error as {
      stdout?: string;
      stderr?: string;
      killed?: boolean;
    };
    return `${stdout}${stderr}${killed === true ? `${program} took too long\n` : ''}`;
  }
}
