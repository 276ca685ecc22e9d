/** Whether the servers of the configuration answer. Warnings: a cached image is read without them. */

import { withDeadline } from '../../base/deadline.ts';
import { G8Error, isG8Error } from '../../base/errors.ts';
import { HubClient } from '../../store/hub-client.ts';
import { hubLogin } from '../../store/logins.ts';
import { RespConnection } from '../../store/resp-connection.ts';
import { parseRespTarget } from '../../store/resp-target.ts';
import type { Context } from '../context.ts';
import { type Finding, ok, warn } from './finding.ts';

const TIMEOUT_MS = 5_000;
const ONCE = { attemptCount: 1, delayMsMin: 1, delayMsMax: 1, totalMs: TIMEOUT_MS } as const;
const LATE_MS = 60_000;

/** A hub answers, is ready, and has the same time. */
export async function hubFindings(
  { env, signal }: Pick<Context, 'env' | 'signal'>,
  url: string,
): Promise<Finding[]> {
  const client = new HubClient(url, { http: { login: hubLogin(url, env) }, retry: ONCE });
  try {
    const isReady = await timed('The hub', signal, (inner) => client.isReady({ signal: inner }));
    const found = [
      isReady
        ? ok('hub', `${client.name} is ready`)
        : warn('hub', `${client.name} is not ready`, `ask ${client.name}/ready what is wrong`),
    ];
    const date = await clockOf(client.name, signal);
    const awayMs = date === undefined ? 0 : Math.abs(date - Date.now());
    if (awayMs > LATE_MS) {
      const hint = 'set the clocks of both: logins and collections go by them';
      found.push(warn('clock', `${Math.round(awayMs / 1000)} s from that of the hub`, hint));
    }
    return found;
  } catch (error) {
    return [warn('hub', messageOf(error), 'is the URL right (G8UFS_HUB), and the hub running?')];
  } finally {
    await client.close();
  }
}

export async function redisFindings(
  { signal }: Pick<Context, 'signal'>,
  url: string,
): Promise<Finding[]> {
  let connection: RespConnection | undefined;
  try {
    const target = parseRespTarget(url);
    const opened = new RespConnection(target);
    connection = opened;
    await timed('Redis', signal, (inner) => opened.call('PING', [], { signal: inner }));
    return [ok('redis', `${target.name} answers`)];
  } catch (error) {
    return [warn('redis', messageOf(error), 'the core daemon needs it (G8UFS_CORE_REDIS)')];
  } finally {
    await connection?.close();
  }
}

/** @param hub its URL without credentials */
async function clockOf(hub: string, signal: AbortSignal): Promise<number | undefined> {
  const response = await fetch(`${hub}/health`, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  await response.arrayBuffer();
  const date = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(date) ? undefined : date;
}

async function timed<T>(
  what: string,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await withDeadline({ timeoutMs: TIMEOUT_MS, signal, what }, run);
}

function messageOf(error: unknown): string {
  return isG8Error(error) || error instanceof G8Error ? error.message : String(error);
}
