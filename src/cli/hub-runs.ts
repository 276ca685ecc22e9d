/**
 * Runs over all chunks of a hub, by the commands `hub gc`, `hub check` and `hub stats`: in this process when the
 * catalogue can be opened beside a running hub, else asked of the hub that has it.
 */
import type { Command } from 'commander';
import { G8Error, isG8Error } from '../base/errors.ts';
import type { HubStorage } from '../hub/storage.ts';
import type { DigestFunction } from '../store/chunk-id.ts';
import type { RunProgress } from '../store/hub-runs.ts';
import type { Context } from './context.ts';
import type { ProgressCounter } from './ui/progress.ts';

export interface StorageFlags {
  readonly data?: string;
  readonly catalogue?: string;
  readonly chunks?: string;
}

export interface RunFlags extends StorageFlags {
  readonly hub?: string;
}

/** A run, in both ways. */
export interface HubRun<T> {
  /** Behind `/api/v1/collect/`. */
  readonly word: 'gc' | 'check' | 'stats';
  readonly body: unknown;
  readonly result: import('zod').z.ZodType<T>;
  readonly here: (
    storage: HubStorage,
    running: {
      readonly tmpDir: string;
      readonly digest: DigestFunction | undefined;
      readonly signal: AbortSignal;
      readonly onProgress: (progress: RunProgress) => void;
    },
  ) => Promise<T>;
}

export function addStorageFlags(command: Command): Command {
  return command
    .option('--data <dir>', 'folder of the hub (default: see config show)')
    .option('--catalogue <url>', 'level:<dir> or postgres://… (default: in the folder)')
    .option('--chunks <url>', 'where chunks are kept (default: in the folder)');
}

export function addRunFlags(command: Command): Command {
  return addStorageFlags(command).option(
    '--hub <url>',
    'ask this hub (default: only when it has the catalogue open)',
  );
}

const LABELS: Readonly<Record<RunProgress['phase'], string>> = {
  packages: 'Looking for packages',
  mark: 'Marking',
  list: 'Listing',
  sweep: 'Comparing',
  read: 'Reading',
};

/** @throws as the run does; ERR_CACHE_LOCKED while another one is under way */
export async function runOverHub<T>(context: Context, flags: RunFlags, run: HubRun<T>): Promise<T> {
  const { showProgress } = await import('./ui/progress.ts');
  const counter: ProgressCounter = { label: 'Starting', done: 0, total: 0, unit: 'entries' };
  const view = await showProgress(context, counter);
  const onProgress = ({ phase, count }: RunProgress) => {
    counter.label = LABELS[phase];
    counter.done = count;
  };
  try {
    if (flags.hub !== undefined) return await ask(context, flags.hub, undefined, run, onProgress);
    return await runHere(context, flags, run, onProgress);
  } finally {
    view.stop();
  }
}

async function runHere<T>(
  context: Context,
  flags: RunFlags,
  run: HubRun<T>,
  onProgress: (progress: RunProgress) => void,
): Promise<T> {
  const { openStorage } = await import('../hub/storage.ts');
  const options = await storageOptions(context, flags);
  let storage: HubStorage;
  try {
    storage = await openStorage({ ...options, streams: options.addon });
  } catch (error) {
    if (!isG8Error(error, 'ERR_CACHE_LOCKED')) throw error;
    const url = `http://${options.listen}`;
    return await ask(context, url, options.dataDir, run, onProgress);
  }
  try {
    const { tmpDir } = storage;
    const { signal } = context;
    return await run.here(storage, { tmpDir, digest: options.digest, signal, onProgress });
  } finally {
    await storage.close();
  }
}

/** What `openStorage` takes, from flags and settings. */
export async function storageOptions(context: Context, flags: StorageFlags) {
  const { loadConfig } = await import('../config/config.ts');
  const config = await loadConfig(context.env, {
    hubData: flags.data,
    hubCatalogue: flags.catalogue,
    hubChunks: flags.chunks,
  });
  const addon = await loadedAddon();
  return {
    dataDir: config.get('hubData'),
    listen: config.get('hubListen'),
    catalogue: config.get('hubCatalogue') || undefined,
    chunks: config.get('hubChunks') || undefined,
    addon,
    digest: addon && ((data: Uint8Array, length: 16 | 32) => addon.blake2b(data, length)),
  };
}

/** A hub also runs where the addon does not. */
export async function loadedAddon() {
  const { addon } = await import('../native/load.ts');
  try {
    return addon();
  } catch (error) {
    if (isG8Error(error, 'ERR_CONFIG')) return undefined;
    throw error;
  }
}

async function ask<T>(
  context: Context,
  url: string,
  dataDir: string | undefined,
  run: HubRun<T>,
  onProgress: (progress: RunProgress) => void,
): Promise<T> {
  const { HttpClient } = await import('../store/http-client.ts');
  const { runAtHub } = await import('../store/hub-runs.ts');
  const { hubLogin } = await import('../store/logins.ts');
  const token = await adminToken(dataDir);
  const client = new HttpClient(url, { token, login: hubLogin(url, context.env) });
  try {
    const path = `/api/v1/collect/${run.word}`;
    const { signal } = context;
    return await runAtHub(client, { ...run, path }, { signal, onProgress });
  } catch (error) {
    if (isG8Error(error, 'ERR_PERMISSION')) {
      const hint = 'it needs an administrator: g8ufs login --scope admin';
      throw new G8Error('ERR_PERMISSION', `${error.message}; ${hint}`, { cause: error });
    }
    throw error;
  } finally {
    await client.close();
  }
}

/** Whoever may read the hub's folder may read the token that it made at its first start. */
async function adminToken(dataDir: string | undefined): Promise<string | undefined> {
  if (dataDir === undefined) return undefined;
  const { readFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  const text = await readFile(join(dataDir, 'admin-token'), 'utf8').catch(() => undefined);
  return text?.trim() || undefined;
}
