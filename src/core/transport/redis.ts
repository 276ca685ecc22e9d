/**
 * Connections to the Redis that carries the protocol. A lost connection is made anew every 200 ms; commands
 * that were under way fail at once, and whoever sent them decides what becomes of them.
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { raceAbort } from '../../base/abort.ts';
import { sleep } from '../../base/deadline.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import type { Logger } from '../../fs/log.ts';
import type { HostPort } from '../../store/backend-url.ts';
import { parseRespTarget } from '../../store/resp-target.ts';

/** Between two attempts, of a connection as of a command. */
export const RETRY_MS = 200;
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that owes a reply and sends nothing for this long is given up; longer than any blocking command. */
const IDLE_TIMEOUT_MS = 15_000;

/**
 * @param url `redis://`, `rediss://` or `unix:///path/of/socket`
 * @throws ERR_CONFIG
 */
export function createRedis(url: string, log: Logger): Redis {
  const redis = new Redis({
    ...target(url),
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: IDLE_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => RETRY_MS,
  });
  // Every attempt fails with an error; only the first is news.
  let isDown = false;
  redis.on('error', (error: Error) => {
    if (!isDown) log.warn({ err: error.message }, 'Redis is away');
    isDown = true;
  });
  redis.on('ready', () => {
    if (isDown) log.info({}, 'Redis is back');
    isDown = false;
  });
  return redis;
}

/**
 * Connects for the first time, however long that takes.
 *
 * @throws ERR_PERMISSION when the server refuses the credentials, ERR_ABORTED
 */
export async function connectRedis(redis: Redis, signal: AbortSignal): Promise<void> {
  const refused = new Promise<never>((_, reject) => {
    redis.on('error', (error: Error) => {
      if (!/WRONGPASS|NOAUTH|NOPERM|invalid password|without any password/i.test(error.message))
        return;
      reject(new G8Error('ERR_PERMISSION', `Redis refuses the credentials: ${error.message}`));
    });
  });
  refused.catch(() => {});
  // A first attempt that fails is followed by others.
  redis.connect().catch(() => {});
  const ready = new Promise<void>((resolve) => redis.once('ready', resolve));
  await raceAbort(Promise.race([ready, refused]), signal);
}

/**
 * Repeats a command until Redis has answered it.
 *
 * @throws ERR_ABORTED; ERR_PROTOCOL when a client has put something else where the answer should be
 */
export async function untilAnswered<T>(command: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await raceAbort(command(), signal);
    } catch (error) {
      if (/^WRONGTYPE/.test((error as Error).message)) {
        throw new G8Error('ERR_PROTOCOL', 'A key of the protocol has another type', {
          cause: error,
        });
      }
      // Which other error it is makes no difference: without an answer nothing can go on.
      await sleep(RETRY_MS, signal);
    }
  }
}

function target(url: string) {
  const path = /^unix:\/\/(\/.+)$/.exec(url)?.[1];
  if (path !== undefined) return { path };
  const parsed = parseRespTarget(url);
  if (parsed.kind !== 'redis' || parsed.prefix !== undefined) {
    throw new G8Error('ERR_CONFIG', `${parsed.name} is no Redis that can carry commands`);
  }
  const { hosts, username, password, database, tls } = parsed;
  return {
    ...(hosts[0] as HostPort),
    db: database,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls !== undefined && { tls: tls.caFile === undefined ? {} : { ca: readCa(tls.caFile) } }),
  };
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw toG8Error(error, 'ERR_CONFIG', `Cannot read the CA file ${path}`);
  }
}
