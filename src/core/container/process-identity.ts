/** Which process a number means: numbers are used again, also after a restart of the machine. */
import { readFileSync } from 'node:fs';
import { G8Error } from '../../base/errors.ts';

/** A process, as it can be kept in a file and recognised later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, in ticks since the machine did. */
  readonly startTicks: string;
  /** Id of that start of the machine. */
  readonly boot: string;
}

/** @returns `undefined` when there is no such process, or it is dead and nobody has asked how it ended */
export function identify(pid: number): ProcessIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // ENOENT, or ESRCH when it ends while it is read: either way it is not there.
    return undefined;
  }
  // The second field is the name, which may hold anything; state is the third, start the 22nd.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
  return { pid, startTicks, boot: bootId() };
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  const own = identify(process.pid);
  if (own === undefined) throw new G8Error('ERR_IO', '/proc does not show this process');
  return own;
}

export function isAlive(identity: ProcessIdentity): boolean {
  const { startTicks, boot } = identify(identity.pid) ?? {};
  return startTicks === identity.startTicks && boot === identity.boot;
}

/** @returns whether the process was there to get the signal */
export function sendSignal(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

let boot: string | undefined;

function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return boot;
}
