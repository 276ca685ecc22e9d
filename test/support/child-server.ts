/** A server program that a test file starts, on loopback; it ends with the file, also when that is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

// A loaded machine starts a server within seconds.
const START_MS = 20_000;
const STOP_MS = 5_000;

/** Starts a program that dies with this process. Its output goes nowhere but where `stdout` says. */
export function spawnServer(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly stdout?: 'pipe' | 'ignore' } = {},
): ChildProcess {
  return spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
    stdio: ['pipe', options.stdout ?? 'ignore', 'inherit'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
}

export async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(late);
}

/** Asks until the answer is yes. */
export async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + START_MS;
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`${what} took too long`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ports that were free a moment ago; none of them twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
