/** Builds `workload.cc` with the system's compiler, once for each change, and runs its workloads. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../harness.ts';

const SOURCE = join(process.cwd(), 'benchmarks/support/workload.cc');
const PROGRAM = join(process.cwd(), 'build/bench/workload');

/** Must have resolved before anything is run. */
export async function buildWorkload(): Promise<void> {
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs > statSync(SOURCE).mtimeMs) return;
  mkdirSync(dirname(PROGRAM), { recursive: true });
  const flags = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-pthread'];
  await run('g++', [...flags, '-o', PROGRAM, SOURCE]);
}

/** Milliseconds of each round of a workload, see the usage of `workload.cc`. */
export async function runWorkload(rounds: number, args: readonly string[]): Promise<number[]> {
  const text = await run(PROGRAM, [String(rounds), ...args]);
  return text
    .trim()
    .split('\n')
    .map((line) => Number(line) / 1e6);
}

/** Bytes that the page cache holds for the files below a folder, on the inodes of that folder. */
export async function cachedBytes(folder: string): Promise<number> {
  return Number(await run(PROGRAM, ['1', 'cached', folder]));
}
