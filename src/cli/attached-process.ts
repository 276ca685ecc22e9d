/**
 * A child process in the foreground, with the terminal, input and output of this one. Signals from the keyboard
 * reach the child by themselves; those that were sent to this process alone are passed on.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { G8Error, toG8Error } from '../base/errors.ts';

const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;
const ALL = ['SIGINT', ...PASSED_ON] as const;
/** What does not end in this time after such a signal is killed. */
const GRACE_MS = 5_000;
/** Exit codes of what a signal has ended begin here, as in a shell. */
const SIGNAL_BASE = 128;

export interface AttachedOptions {
  /** Called when the process runs. */
  readonly onStart?: (pid: number) => void;
  /** Called when this process is sent a signal that ends it. */
  readonly onSignal?: () => void;
  /** File that gets what it writes, instead of this process's output; its input is empty then. */
  readonly output?: number;
}

/** Whether a process inside shall have a terminal: what was asked for, else when there is one. */
export function isTerminalWanted(flag: boolean | undefined): boolean {
  return flag ?? (isatty(0) && isatty(1));
}

/**
 * Runs it to its end.
 *
 * @returns its exit code
 * @throws ERR_CONFIG when the program is not installed, ERR_IO
 */
export async function runAttached(
  [program, ...args]: readonly [string, ...string[]],
  { onStart, onSignal, output }: AttachedOptions = {},
): Promise<number> {
  const stdio = output === undefined ? 'inherit' : (['ignore', output, output] as const);
  const child = spawn(program, args, { cwd: '/', stdio: stdio as StdioOptions });
  const release = holdSignals(child, onSignal);
  try {
    return await new Promise((resolve, reject) => {
      child.once('spawn', () => onStart?.(child.pid as number));
      child.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          error.code === 'ENOENT'
            ? new G8Error('ERR_CONFIG', `Program ${program} is not installed`)
            : toG8Error(error, 'ERR_IO', `${program} cannot be started`),
        ),
      );
      child.once('exit', (code, signal) =>
        resolve(code ?? SIGNAL_BASE + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    release();
  }
}

/** While the child runs, signals are its affair: this process waits for it, and has to clean up after it. */
function holdSignals(child: ChildProcess, onSignal: () => void = () => {}): () => void {
  let timer: NodeJS.Timeout | undefined;
  const pass = (signal: NodeJS.Signals): void => {
    onSignal();
    child.kill(signal);
    timer ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  // The keyboard's interrupt has reached the child as well.
  const interrupted = (): void => onSignal();
  const before = ALL.map((signal) => ({ signal, listeners: process.rawListeners(signal) }));
  for (const signal of ALL) process.removeAllListeners(signal);
  process.on('SIGINT', interrupted);
  for (const signal of PASSED_ON) process.on(signal, pass);
  return () => {
    clearTimeout(timer);
    process.off('SIGINT', interrupted);
    for (const signal of PASSED_ON) process.off(signal, pass);
    for (const { signal, listeners } of before) {
      for (const listener of listeners) process.on(signal, listener as NodeJS.SignalsListener);
    }
  };
}
