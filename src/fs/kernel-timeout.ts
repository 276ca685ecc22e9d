/**
 * The kernel's own bound for FUSE requests, where an administrator has set one (Linux 6.15,
 * `/proc/sys/fs/fuse/default_request_timeout` and `max_request_timeout`, in seconds, 0 for none). A request that is
 * older ends the whole connection, so reads have to be answered before. Only ever read; a connection keeps the
 * values of the moment when it was made.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from './log.ts';
import type { MountRequest } from './mount-record.ts';

const FOLDER = '/proc/sys/fs/fuse';
/**
 * A successor begins the waits of its predecessor anew, and the kernel does not: two of them take three quarters. The
 * rest is for everything beside the wait: the takeover, the answer itself, and a machine that is busy.
 */
const SHARE = 0.375;

/** @param folder of the two files @returns milliseconds; `undefined` where the kernel sets no bound */
export function kernelTimeoutMs(folder: string = FOLDER): number | undefined {
  const seconds = ['default_request_timeout', 'max_request_timeout']
    .map((name) => readSeconds(join(folder, name)))
    .filter((value) => value > 0);
  return seconds.length === 0 ? undefined : Math.min(...seconds) * 1000;
}

/** The longest deadline of a read, at most `deadlineMs`, that the kernel waits for, with a takeover in it. */
export function deadlineWithin(
  deadlineMs: number,
  timeoutMs: number | undefined = kernelTimeoutMs(),
): number {
  if (timeoutMs === undefined) return deadlineMs;
  return Math.min(deadlineMs, Math.floor(timeoutMs * SHARE));
}

/** The request with a deadline that the kernel waits for. */
export function withinKernelTimeout(request: MountRequest, log: Logger): MountRequest {
  const deadlineMs = deadlineWithin(request.deadlineMs);
  if (deadlineMs === request.deadlineMs) return request;
  const { mountPoint } = request;
  const fields = { mountPoint, deadlineMs, wantedMs: request.deadlineMs };
  log.warn(fields, 'the deadline is shortened: the kernel gives requests up before');
  return { ...request, deadlineMs };
}

/** 0 for a kernel that knows no bound, or does not say. */
function readSeconds(path: string): number {
  try {
    const value = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(value) && value > 0 ? value : 0;
  } catch {
    return 0;
  }
}
