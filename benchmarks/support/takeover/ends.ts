/** Ways in which a mount daemon ends, at random moments, and who comes after it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { registryDir } from '../../../src/base/paths.ts';
import { g8ufs } from '../../harness.ts';
import type { Moment } from './loads.ts';

const UPTIME_MS_MIN = 50;
/** How long a daemon works at most before it is ended, unless told. */
export const UPTIME_MS_MAX = 900;
/** One of so many kills meets a daemon that does not work yet. */
const EARLY_OF = 10;
/** A start takes about as long. */
const EARLY_MS_MAX = 300;
/** What takes longer hangs. */
const TIMEOUT_MS = 120_000;

/** At a random moment of a daemon's life. */
export async function killOnce(cache: string, uptimeMsMax: number): Promise<Moment> {
  const early = Math.random() * EARLY_OF < 1;
  const pid = await (early ? startingPid(cache) : daemonPid(cache));
  const [min, max] = early ? [0, EARLY_MS_MAX] : [UPTIME_MS_MIN, uptimeMsMax];
  await delay(min + Math.random() * (max - min));
  return { ms: await kill(pid), early };
}

/** Kills a daemon and waits until it is gone; the moment, ms since 1970. */
export async function kill(pid: number): Promise<number> {
  const ms = Date.now();
  process.kill(pid, 'SIGKILL');
  await gone(pid);
  return ms;
}

/** The moment at which the old daemon was gone: until then it has served. */
export async function upgradeOnce(cache: string, uptimeMsMax: number): Promise<Moment> {
  const pid = await daemonPid(cache);
  await delay(UPTIME_MS_MIN + Math.random() * (uptimeMsMax - UPTIME_MS_MIN));
  const upgrading = g8ufs('daemon', 'upgrade', '--cache', cache);
  const ended = gone(pid).then(() => Date.now());
  // An upgrade that fails leaves the old daemon as it is.
  ended.catch(() => {});
  await upgrading;
  return { ms: await ended, early: false };
}

/** The process that has the cache, when there is one that works. */
export function daemonPid(cache: string): Promise<number> {
  const registry = registryDir(process.env, process.getuid?.() ?? 0);
  return pidOf(cache, (pid) => existsSync(join(registry, `${pid}.json`)));
}

/** The process that has the cache, whether it works yet or not. */
function startingPid(cache: string): Promise<number> {
  return pidOf(cache, () => true);
}

async function pidOf(cache: string, fits: (pid: number) => boolean): Promise<number> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const pid = readPid(join(cache, 'lock'));
    if (pid !== undefined && !isGone(pid) && fits(pid)) return pid;
    if (performance.now() > deadline) throw new Error('No daemon comes');
    await delay(5);
  }
}

async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!isGone(pid)) {
    if (performance.now() > deadline) throw new Error(`Daemon ${pid} does not end`);
    await delay(2);
  }
}

function readPid(lock: string): number | undefined {
  try {
    return Number(readFileSync(lock, 'utf8')) || undefined;
  } catch {
    // Between two daemons.
    return undefined;
  }
}

/** One that its parent has not reaped yet is gone, too. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return true;
  }
}
