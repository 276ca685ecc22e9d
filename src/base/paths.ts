/** Where a process keeps its files, and how paths appear in mount options. Pure but for the environment. */
import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Folder of the content cache when nobody chose one: for root /var/cache/g8ufs, else XDG. */
export function defaultCacheDir(env: Environment, uid: number): string {
  if (uid === 0) return '/var/cache/g8ufs';
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'g8ufs');
}

/**
 * Folder in which running daemons register: `G8UFS_RUN_DIR`, else /run/g8ufs for root, else below
 * XDG_RUNTIME_DIR.
 *
 * @param uid default: of this process
 */
export function registryDir(env: Environment, uid: number = process.getuid?.() ?? 0): string {
  if (env['G8UFS_RUN_DIR']) return env['G8UFS_RUN_DIR'];
  if (uid === 0) return '/run/g8ufs';
  return join(env['XDG_RUNTIME_DIR'] || `/tmp/g8ufs-${uid}`, 'g8ufs');
}

/** File with the logins of hubs: `G8UFS_CREDENTIALS`, else `g8ufs/credentials.json` below XDG_CONFIG_HOME. */
export function credentialsPath(env: Environment): string {
  if (env['G8UFS_CREDENTIALS']) return env['G8UFS_CREDENTIALS'];
  const config = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  return join(config, 'g8ufs/credentials.json');
}
