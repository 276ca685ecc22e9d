/** Reads every file of a mount in processes of their own, and compares. */
import { spawn } from 'node:child_process';
import type { Digests } from './world.ts';

export interface ReadAll {
  /** Files with the right bytes, with others, and those that could not be read. */
  right: number;
  wrong: number;
  refused: number;
}

/** What one run may take; the deadline of a mount ends reads long before. */
const TIMEOUT_MS = 60_000;
const READER_COUNT = 4;

/** @throws when the readers do not end */
export async function readAll(
  mountPoint: string,
  digests: Digests,
  signal: AbortSignal,
): Promise<ReadAll> {
  const seen = new Map<string, string>();
  const paths = [...digests.keys()];
  const share = Math.ceil(paths.length / READER_COUNT);
  await Promise.all(
    Array.from({ length: READER_COUNT }, (_, i) =>
      sums(mountPoint, paths.slice(i * share, (i + 1) * share), signal, seen),
    ),
  );
  const result: ReadAll = { right: 0, wrong: 0, refused: 0 };
  for (const [path, digest] of digests) {
    const found = seen.get(path);
    if (found === undefined) result.refused++;
    else if (found === digest) result.right++;
    else result.wrong++;
  }
  return result;
}

/** By `sha256sum`, which goes on behind a file that it cannot read. */
async function sums(
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
  seen: Map<string, string>,
): Promise<void> {
  if (paths.length === 0) return;
  const child = spawn('sha256sum', ['--', ...paths], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (_code, ended) => {
      if (ended === null) resolve();
      else reject(new Error(`The reader did not end within ${TIMEOUT_MS} ms`));
    });
  });
  for (const line of text.split('\n')) {
    const [, digest, path] = /^([0-9a-f]{64}) [ *](.*)$/.exec(line) ?? [];
    if (digest !== undefined && path !== undefined) seen.set(path, digest);
  }
}
