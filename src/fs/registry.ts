/**
 * Which daemons run on this machine: one small file for each, so that `ps` and `umount` find a mount
 * without knowing its cache. A file whose process is gone is removed by whoever meets it.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';

export interface DaemonRecord {
  readonly pid: number;
  readonly cacheDir: string;
  readonly socket: string;
  /** Process id of its keeper, which starts a successor when it dies. */
  readonly keeper?: number;
}

/**
 * Registers this process, in place of a predecessor on the same cache, whose keeper is known from it; the
 * returned function takes the record away again.
 */
export async function register(dir: string, record: DaemonRecord): Promise<() => Promise<void>> {
  await makeFolder(dir, { mode: 0o700 });
  const path = join(dir, `${record.pid}.json`);
  const before = (await readRecords(dir)).filter(({ cacheDir }) => cacheDir === record.cacheDir);
  const keeper = record.keeper ?? before.find((known) => known.keeper !== undefined)?.keeper;
  const text = JSON.stringify({ ...record, ...(keeper === undefined ? {} : { keeper }) });
  await writeFile(`${path}.tmp`, text, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
  for (const { pid } of before) {
    if (pid !== record.pid) await rm(join(dir, `${pid}.json`), { force: true });
  }
  return () => rm(path, { force: true });
}

/** Records of the daemons that are alive, or whose keeper is. */
export async function listDaemons(dir: string): Promise<DaemonRecord[]> {
  const records: DaemonRecord[] = [];
  for (const record of await readRecords(dir)) {
    if (isAlive(record.pid) || (record.keeper !== undefined && isAlive(record.keeper))) {
      records.push(record);
    } else {
      await rm(join(dir, `${record.pid}.json`), { force: true });
    }
  }
  return records;
}

/** All records that can be read; others are removed. */
async function readRecords(dir: string): Promise<DaemonRecord[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const records: DaemonRecord[] = [];
  for (const name of names.filter((candidate) => /^\d+\.json$/.test(candidate))) {
    const record = await readRecord(join(dir, name));
    if (record !== undefined) records.push(record);
    else await rm(join(dir, name), { force: true });
  }
  return records.sort((a, b) => a.pid - b.pid);
}

/** @returns `undefined` for what is no record: cut short by a crash, or removed since it was listed */
async function readRecord(path: string): Promise<DaemonRecord | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    // Unreadable now is not the same as gone: the record of a living daemon must stay.
    throw toG8Error(error, 'ERR_IO', `Daemon record ${path} cannot be read`);
  });
  let value: Partial<DaemonRecord> | null;
  try {
    value = JSON.parse(text) as Partial<DaemonRecord> | null;
  } catch {
    return undefined;
  }
  const { pid, cacheDir, socket, keeper } = value ?? {};
  if (typeof pid !== 'number' || typeof cacheDir !== 'string' || typeof socket !== 'string') {
    return undefined;
  }
  // Numbers below 1 name groups of processes, which are always alive.
  const hasKeeper = typeof keeper === 'number' && keeper > 0;
  return basename(path) === `${pid}.json` && pid > 0
    ? { pid, cacheDir, socket, ...(hasKeeper ? { keeper } : {}) }
    : undefined;
}

/** Whether a process of this number runs; not whether it is the same one. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return !isDying(pid);
}

/** It has ended but for threads that wait for a disk, and holds what it had open as long as they do. */
export function isDying(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^\) [ZX]/.test(text.slice(text.lastIndexOf(')')));
  } catch {
    return false;
  }
}
