/** A cache command's way to its cache: the daemon when one runs, else the cache itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { isG8Error } from '../base/errors.ts';
import { registryDir } from '../base/paths.ts';
import { loadConfig } from '../config/config.ts';
import { connectDaemon } from '../fs/client.ts';
import type { Context } from './context.ts';

/** Verifying reads everything that is cached. */
const REQUEST_TIMEOUT_MS = 24 * 3_600_000;
/** A daemon whose last mount is gone gives its cache up within moments, and answers nobody meanwhile. */
const ATTEMPTS = 50;
const ATTEMPT_DELAY_MS = 100;

/**
 * Runs one operation (`cache.status`, `cache.gc`, `cache.verify`) where the cache is owned.
 *
 * @throws ERR_CACHE_LOCKED when a process that is no daemon owns it
 */
export async function askCache<T>(
  context: Context,
  cacheDir: string | undefined,
  method: string,
  params: object = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await askOwner<T>(context, cacheDir, method, params);
    } catch (error) {
      const isEnding =
        isG8Error(error, 'ERR_CACHE_LOCKED') || isG8Error(error, 'ERR_STORE_UNAVAILABLE');
      if (!isEnding || attempt === ATTEMPTS) throw error;
    }
    await delay(ATTEMPT_DELAY_MS, undefined, { signal: context.signal });
  }
}

async function askOwner<T>(
  context: Context,
  cacheDir: string | undefined,
  method: string,
  params: object,
): Promise<T> {
  const config = await loadConfig(context.env, { cacheDir });
  const registry = registryDir(context.env);
  const client = await connectDaemon(config.get('cacheDir'), registry);
  if (client !== undefined) {
    try {
      return await client.request<T>(method, params, REQUEST_TIMEOUT_MS);
    } finally {
      client.close();
    }
  }
  const { startDaemon } = await import('./daemon-process.ts');
  const { daemon } = await startDaemon(context, cacheDir === undefined ? {} : { cache: cacheDir }, {
    stayForMs: REQUEST_TIMEOUT_MS,
    logLevel: 'warn',
  });
  try {
    return (await daemon.handle(method, params)) as T;
  } finally {
    await daemon.close();
  }
}
