/**
 * Seals: a complete content file carries the modification time "1 second after the epoch". Whoever
 * writes to it afterwards changes that, so one stat tells that nobody did. The native driver opens
 * sealed files of the right size without asking.
 */
import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';

export const SEAL_SECONDS = 1;
const SEAL_NANOSECONDS = BigInt(SEAL_SECONDS) * 1_000_000_000n;
export const SEALED_MODE = 0o444;

/**
 * Seals an open file. Nothing may be written to it afterwards.
 *
 * @param mode the file's mode as it is, when the caller knows it
 */
export async function seal(file: FileHandle, mode?: bigint): Promise<void> {
  if (mode === undefined || (mode & 0o777n) !== BigInt(SEALED_MODE)) await file.chmod(SEALED_MODE);
  await file.utimes(SEAL_SECONDS, SEAL_SECONDS);
}

export function isSealed(stats: BigIntStats, size: number): boolean {
  return stats.isFile() && stats.mtimeNs === SEAL_NANOSECONDS && stats.size === BigInt(size);
}

/** Stat of a path, `undefined` when nothing is there. */
export async function findStats(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Opens for reading, `undefined` when nothing is there. */
export async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && names.includes(code);
}
