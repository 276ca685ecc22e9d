/** A mount daemon inside this process: its settings, its log, and what ends it. */

import { registryDir } from '../base/paths.ts';
import { parseQuotaRules } from '../config/cache-quotas.ts';
import { loadConfig } from '../config/config.ts';
import { parseListen } from '../config/schema.ts';
import { Daemon } from '../fs/daemon.ts';
import { createLogger } from '../fs/log.ts';
import { continuedLog } from '../fs/log-file.ts';
import type { EarlySessions } from '../fs/takeover/early-sessions.ts';
import type { Successor } from '../fs/takeover/keeper.ts';
import { trimMemory } from '../native/trim-memory.ts';
import type { Context } from './context.ts';
import { endWithoutHelp } from './exit.ts';
import { packageVersion } from './version.ts';

export interface DaemonFlags {
  readonly cache?: string;
  readonly cacheSize?: string;
  readonly cacheFree?: string;
  readonly metrics?: string;
  readonly slowRead?: string;
}

export interface DaemonLife {
  /** How long it waits for the first mount. */
  readonly stayForMs: number;
  /** Waits as long as the settings say for another mount when the last one is gone. Default false. */
  readonly lingers?: boolean;
  /** How the daemon is started again when it dies; absent: its mounts end with it. */
  readonly successor?: Successor;
  /** What is served already of a predecessor's mounts. */
  readonly early?: EarlySessions | undefined;
  /** The flags it was started with, for a daemon that replaces it. */
  readonly flags?: readonly string[];
  /** Default `info`. */
  readonly logLevel?: 'info' | 'warn';
}

export interface DaemonProcess {
  readonly daemon: Daemon;
  /** Settles when the daemon has closed: some time after the last unmount, or after a signal. */
  readonly ended: Promise<void>;
}

/**
 * Starts the daemon. It ends when it has no mount and none comes in its time, and when the context's signal
 * fires.
 *
 * @throws ERR_CACHE_LOCKED, ERR_PERMISSION, ERR_IO, ERR_CONFIG
 */
export async function startDaemon(
  context: Pick<Context, 'env' | 'signal' | 'debug'>,
  flags: DaemonFlags,
  options: DaemonLife,
): Promise<DaemonProcess> {
  const config = await loadConfig(context.env, {
    cacheDir: flags.cache,
    cacheSize: flags.cacheSize,
    cacheFree: flags.cacheFree,
    metricsListen: flags.metrics,
    slowRead: flags.slowRead,
  });
  const metrics = parseListen(config.get('metricsListen'));
  let end: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    end = resolve;
  });
  const lingerMs = options.lingers === true ? config.get('linger') : 0;
  let idle: NodeJS.Timeout | undefined;
  const endUnlessUsed = (waitMs: number): void => {
    clearTimeout(idle);
    idle = setTimeout(() => {
      if (daemon.isEmpty) end();
    }, waitMs);
    idle.unref();
  };
  const daemon = await Daemon.start({
    cacheDir: config.get('cacheDir'),
    registryDir: registryDir(context.env),
    sizeMaxBytes: config.get('cacheSize'),
    // The usual floor would leave nothing of a small disk: by default it is cut to a share of it.
    ...(config.effective('cacheFree').origin === 'default'
      ? {}
      : { freeFloorBytes: config.get('cacheFree') }),
    scrubBytesPerSecond: config.get('cacheScrub'),
    slowReadMs: config.get('slowRead'),
    ...(metrics === undefined ? {} : { metrics }),
    policy: {
      path: config.get('policy'),
      mustExist: config.effective('policy').origin !== 'default',
    },
    quotaRules: parseQuotaRules(config.get('cacheQuotas')),
    version: packageVersion(),
    log: createLogger(
      context.debug ? 'debug' : (options.logLevel ?? 'info'),
      options.early === undefined ? 2 : continuedLog(config.get('cacheDir')),
    ),
    ...(options.successor === undefined ? {} : { successor: options.successor }),
    standbys: config.get('standby'),
    early: options.early,
    flags: options.flags ?? [],
    onEmpty: () => (lingerMs === 0 ? end() : endUnlessUsed(lingerMs)),
  });
  endUnlessUsed(options.stayForMs);
  const stopTrimming = trimMemory();
  context.signal.addEventListener('abort', () => end());
  if (context.signal.aborted) end();
  const ended = asked.then(async () => {
    clearTimeout(idle);
    stopTrimming();
    await daemon.close();
    endWithoutHelp();
  });
  return { daemon, ended };
}
