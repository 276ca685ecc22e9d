/**
 * A lock on a file for one process at a time: `.<name>.lock` beside it, which says whose it is. It appears with
 * its text in it, by link(2), so that nobody reads half of one. What a dead process has left is taken away; of
 * a process that cannot be seen from here (another machine or container), once it is old.
 */
import { link, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { abortError, throwIfAborted } from './abort.ts';
import { monotonicMs } from './clock.ts';
import { G8Error, toG8Error } from './errors.ts';
import { processStart } from './process-start.ts';

/** Longer than changes take but those that bring large folders in. */
const WAIT_MS = 30_000;
const POLL_MS = 50;
/** A lock of a process that cannot be seen counts for this long. */
const UNSEEN_AGE_MS_MAX = 3_600_000;

const ATTEMPT = /^(.*\.lock)\.[0-9a-f]{12}$/s;

/** What a lock says of its owner. */
interface Owner {
  readonly pid: number;
  /** When that process began, in ticks: numbers are used again. */
  readonly started: string;
  /** Within what the number means something: a boot of a machine, and a pid namespace. */
  readonly realm: string;
  /** Of this lock, never of another. */
  readonly token: string;
}

export interface FileLock {
  /** @throws ERR_IO when somebody has taken the lock away, because it was taken for abandoned */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** Where the lock of a file is. */
export function lockPathOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.lock`);
}

/** The lock that a file is an attempt at, or was until it was taken away; `undefined` for other files. */
export function lockOfAttempt(path: string): string | undefined {
  return ATTEMPT.exec(path)?.[1];
}

/**
 * Waits until nobody else has the lock, and takes it.
 *
 * @throws ERR_TIMEOUT with the number of the process that has it; ERR_CREATE, ERR_PERMISSION when no lock can
 *   be written; ERR_ABORTED
 */
export async function lockFile(
  path: string,
  options: { readonly waitMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<FileLock> {
  const { waitMs = WAIT_MS, signal } = options;
  const lock = lockPathOf(path);
  const own = await ownText();
  const draft = `${lock}.${randomName()}`;
  const deadline = monotonicMs() + waitMs;
  try {
    await writeFile(draft, own, { flag: 'wx', mode: 0o644 });
    for (;;) {
      throwIfAborted(signal);
      if (await linked(draft, lock)) break;
      const holder = await holderOf(lock);
      if (holder === undefined) continue; // Released meanwhile.
      if (await isAbandoned(lock, holder)) {
        await takeAway(lock, holder);
        continue;
      }
      if (monotonicMs() >= deadline) throw busy(path, holder);
      await setTimeout(POLL_MS, undefined, { signal }).catch(() => {
        throw abortError(signal as AbortSignal);
      });
    }
  } catch (error) {
    throw toG8Error(error, 'ERR_CREATE', `${path} cannot be locked`);
  } finally {
    await rm(draft, { force: true });
  }
  const isOurs = async (): Promise<boolean> => (await textOf(lock)) === own;
  return {
    check: async () => {
      if (await isOurs()) return;
      throw new G8Error('ERR_IO', `The lock of ${path} is lost; nothing is written`);
    },
    release: async () => {
      if (await isOurs()) await rm(lock, { force: true });
    },
  };
}

/** Twelve digits that nobody else will choose, and no secret: what makes secrets takes a while to load. */
function randomName(): string {
  return Math.floor(Math.random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');
}

async function linked(draft: string, lock: string): Promise<boolean> {
  try {
    await link(draft, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function ownText(): Promise<string> {
  const owner: Owner = {
    pid: process.pid,
    started: (await processStart(process.pid)) ?? '',
    realm: await realm(),
    token: `${randomName()}${randomName()}`,
  };
  return `${JSON.stringify(owner)}\n`;
}

/** @returns its text and what that says; `undefined` when there is no lock */
async function holderOf(
  lock: string,
): Promise<{ text: string; owner: Owner | undefined } | undefined> {
  const text = await textOf(lock);
  if (text === undefined) return undefined;
  let owner: Owner | undefined;
  try {
    owner = JSON.parse(text) as Owner;
    if (!Number.isSafeInteger(owner.pid) || owner.pid < 1) owner = undefined;
  } catch {
    // No lock of ours: it counts until it is old.
  }
  return { text, owner };
}

type Holder = NonNullable<Awaited<ReturnType<typeof holderOf>>>;

async function isAbandoned(lock: string, { owner }: Holder): Promise<boolean> {
  if (owner?.realm === (await realm())) return (await processStart(owner.pid)) !== owner.started;
  const info = await stat(lock).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > UNSEEN_AGE_MS_MAX;
}

/** Removes an abandoned lock, and puts it back if it is another one by now. */
async function takeAway(lock: string, { text }: Holder): Promise<void> {
  const aside = `${lock}.${randomName()}`;
  try {
    await rename(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // Somebody else was quicker.
    throw error;
  }
  // Should a third process have locked by now, whoever has lost the lock notices when it checks.
  if ((await textOf(aside)) !== text) await linked(aside, lock);
  await rm(aside, { force: true });
}

function busy(path: string, { owner }: Holder): G8Error {
  const who = owner === undefined ? 'another process' : `process ${owner.pid}`;
  return new G8Error('ERR_TIMEOUT', `${path} is being changed by ${who}; try again later`, {
    details: { path, ...(owner !== undefined && { pid: owner.pid }) },
  });
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function realm(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1');
  return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`;
}
