/**
 * What an image made of packages can do without, by names that a recipe lists, and the removal of it. The
 * folder belongs to the builder alone while this works on it.
 */
import { lstat, lutimes, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { toG8Error } from '../base/errors.ts';
import type { PathMatcher } from './glob.ts';

/** Different on every machine and at every time, so never part of an image. */
export const ALWAYS_CLEANED = [
  '/etc/.pwd.lock',
  '/etc/hostname',
  '/etc/machine-id',
  '/etc/resolv.conf',
  '/proc/*',
  '/run/*',
  '/sys/*',
  '/tmp/*',
  '/var/cache/ldconfig/*',
  '/var/lib/dbus/machine-id',
  '/var/lib/systemd/random-seed',
  '/var/log/**/*.log',
  '/var/tmp/*',
] as const;

/** Patterns as exclusions take them, by the name that a recipe gives. */
export const CLEANING = {
  /** Caches of apt and debconf, and its lists. */
  caches: [
    '/var/cache/apt/*',
    '/var/cache/debconf/*',
    '/var/cache/man/*',
    '/var/lib/apt/lists/*',
    '/var/lib/dpkg/*-old',
  ],
  /** Documentation, but no licence: those are in files named copyright. */
  docs: [
    '/usr/share/doc/*/[!c]*',
    '/usr/share/doc/*/c[!o]*',
    '/usr/share/doc-base/*',
    '/usr/share/info/*',
    '/usr/share/lintian/*',
    '/usr/share/man/*',
  ],
  /** Translations and character maps; C.UTF-8 needs none. */
  locales: ['/usr/share/i18n/*', '/usr/share/locale/*'],
  /** Empty logs of the system; folders stay. */
  logs: ['/var/log/*tmp', '/var/log/faillog', '/var/log/lastlog', '/var/log/apt/*'],
  /** apt, dpkg and what they know: no more packages will be installed. */
  packager: [
    '/etc/alternatives/README',
    '/etc/apt/',
    '/etc/cron.daily/apt-compat',
    '/etc/cron.daily/dpkg',
    '/etc/dpkg/',
    '/etc/logrotate.d/',
    '/usr/lib/apt/',
    '/usr/lib/dpkg/',
    '/usr/share/bug/',
    '/usr/share/dpkg/',
    '/var/backups/*',
    '/var/cache/apt/',
    '/var/cache/debconf/',
    '/var/lib/apt/',
    '/var/lib/dpkg/',
  ],
} as const satisfies Record<string, readonly string[]>;

export type CleaningName = keyof typeof CLEANING;

/** Removes what matches, with everything below. */
export async function removeMatching(
  root: string,
  matches: PathMatcher,
  signal?: AbortSignal,
): Promise<void> {
  await forEachEntry(root, signal, async (path, isDirectory) => {
    if (!matches(path, isDirectory)) return true;
    await rm(join(root, path), { recursive: true });
    return false;
  });
}

/** Gives everything that is newer the time; what packages have recorded is older and stays. */
export async function limitTimes(
  root: string,
  timeSeconds: number,
  signal?: AbortSignal,
): Promise<void> {
  await forEachEntry(root, signal, async (path) => {
    const full = join(root, path);
    if ((await lstat(full)).mtimeMs > timeSeconds * 1000) {
      await lutimes(full, timeSeconds, timeSeconds);
    }
    return true;
  });
  await lutimes(root, timeSeconds, timeSeconds);
}

/** Visits what is below the root, folders first; `visit` says whether to go into one. */
async function forEachEntry(
  root: string,
  signal: AbortSignal | undefined,
  visit: (path: string, isDirectory: boolean) => Promise<boolean>,
): Promise<void> {
  const todo = [''];
  try {
    for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
      throwIfAborted(signal);
      for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if ((await visit(path, entry.isDirectory())) && entry.isDirectory()) todo.push(path);
      }
    }
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', 'The image under construction cannot be changed');
  }
}
