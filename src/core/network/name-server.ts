/**
 * dnsmasq on a bridge: forwards names to what the host asks, and gives leases where that is wanted. It stays
 * as long as its bridge, also without the process that has started it, and is known by number and start.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { G8Error } from '../../base/errors.ts';
import { processStart } from '../../base/process-start.ts';
import type { ProcessRecord } from './record.ts';

const START_TIMEOUT_MS = 5_000;
const STOP_TIMEOUT_MS = 2_000;
const POLL_MS = 5;
const UDP_SOCKETS = '/proc/self/net/udp';
const LEASE_TIME = '12h';

export interface NameServerRequest {
  readonly bridge: string;
  /** Of the bridge; where it listens. */
  readonly address: string;
  /** Its own words, of the present run. */
  readonly logFile: string;
  readonly leases?: {
    readonly start: string;
    readonly end: string;
    readonly file: string;
    readonly hosts: readonly { readonly ip: string; readonly mac: string }[];
  };
}

/**
 * Starts it and waits until it listens.
 *
 * @returns `undefined` when dnsmasq is not installed
 * @throws ERR_IO with its own words when it ends, ERR_TIMEOUT
 */
export async function startNameServer(
  request: NameServerRequest,
): Promise<ProcessRecord | undefined> {
  const log = await open(request.logFile, 'w', 0o600);
  try {
    const child = spawn('dnsmasq', argumentsOf(request), {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const ended = endOf(child);
    child.unref();
    if (child.pid === undefined) {
      const reason = await ended;
      if (reason === 'ENOENT') return undefined;
      throw new G8Error('ERR_IO', `dnsmasq cannot be started: ${reason}`);
    }
    const isReady = await Promise.race([
      ended.then(() => false),
      until(START_TIMEOUT_MS, () => isListening(request.address)),
    ]);
    const started = await processStart(child.pid);
    if (isReady && started !== undefined) return { pid: child.pid, started };
    child.kill('SIGKILL');
    const words = (await readFile(request.logFile, 'utf8')).trim().split('\n').at(-1) ?? '';
    throw new G8Error(
      'ERR_IO',
      `dnsmasq does not serve ${request.bridge}: ${words.replace(/^dnsmasq(\[\d+\])?: /, '')}`,
    );
  } finally {
    await log.close();
  }
}

/** Ends it, if it is still that process. */
export async function stopNameServer({ pid, started }: ProcessRecord): Promise<void> {
  const isGone = async (): Promise<boolean> => (await processStart(pid)) !== started;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (await isGone()) return;
    try {
      process.kill(pid, signal);
    } catch {
      return; // It ended by itself.
    }
    if (await until(STOP_TIMEOUT_MS, isGone)) return;
  }
}

export async function isNameServerAlive({ pid, started }: ProcessRecord): Promise<boolean> {
  return (await processStart(pid)) === started;
}

function argumentsOf({ bridge, leases }: NameServerRequest): string[] {
  const own = ['--keep-in-foreground', '--conf-file=/dev/null', '--pid-file=', '--log-facility=-'];
  const place = ['--bind-interfaces', `--interface=${bridge}`, '--except-interface=lo'];
  // Names of the host's own file are nobody's business inside.
  const names = ['--no-hosts'];
  if (leases === undefined) return [...own, ...place, ...names];
  return [
    ...own,
    ...place,
    ...names,
    `--dhcp-range=${leases.start},${leases.end},${LEASE_TIME}`,
    `--dhcp-leasefile=${leases.file}`,
    '--dhcp-authoritative',
    ...leases.hosts.map(({ mac, ip }) => `--dhcp-host=${mac},${ip}`),
  ];
}

/** Why it ended, or why it did not even start. */
async function endOf(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.once('exit', (code) => resolve(`status ${code ?? 'none'}`));
  });
}

/** A line of the socket table begins with a number and the address in the byte order of the machine. */
async function isListening(address: string): Promise<boolean> {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  const place = `${bytes.reverse().join('').toUpperCase()}:0035 `;
  return (await readFile(UDP_SOCKETS, 'latin1')).includes(`: ${place}`);
}

async function until(timeoutMs: number, test: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await test()) return true;
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
}
