/**
 * Runs one of the system's programs to its end: arguments as an array, never a shell; with a deadline and a
 * bound on what it may print. It is killed with the call.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startDeadline } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';

/** These programs take milliseconds; a machine under load takes longer. */
const TIMEOUT_MS = 20_000;
const OUTPUT_SIZE_MAX = 16 * 1024 * 1024;
const REASON_SIZE_MAX = 300;

export interface RunOptions {
  /** Text on its standard input; default: none. */
  readonly input?: string;
  /** Default 20 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** What the program is needed for, when it is not installed: `to configure interfaces`. */
  readonly purpose: string;
}

/**
 * @returns what it printed
 * @throws ERR_CONFIG when there is no such program, ERR_IO in one line with the program's own words,
 *   ERR_TIMEOUT, ERR_ABORTED
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  const { timeoutMs = TIMEOUT_MS, signal, input, purpose } = options;
  const deadline = startDeadline({ timeoutMs, signal, what: program });
  const child = spawn(program, args, {
    cwd: '/',
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    signal: deadline.signal,
    killSignal: 'SIGKILL',
  });
  const stdout = new Output();
  const stderr = new Output();
  child.stdout?.on('data', (data: Buffer) => {
    if (!stdout.add(data)) child.kill('SIGKILL');
  });
  child.stderr?.on('data', (data: Buffer) => stderr.add(data));
  child.stdin?.on('error', () => {}); // It ended without reading all: its status tells why.
  child.stdin?.end(input);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code === 0) return stdout.text();
    if (stdout.isFull) throw new G8Error('ERR_IO', `${program} prints too much`);
    throw new G8Error('ERR_IO', `${program} failed: ${reasonOf(stderr.text(), code)}`);
  } catch (error) {
    if (deadline.signal.aborted) throw deadline.signal.reason;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new G8Error('ERR_CONFIG', `Program ${program} is needed ${purpose} and is not installed`);
  } finally {
    deadline.clear();
  }
}

/** Output with a bound. */
class Output {
  readonly #pieces: Buffer[] = [];
  #size = 0;
  isFull = false;

  /** @returns whether it still fits */
  add(data: Buffer): boolean {
    this.#size += data.length;
    this.isFull ||= this.#size > OUTPUT_SIZE_MAX;
    if (!this.isFull) this.#pieces.push(data);
    return !this.isFull;
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString('utf8');
  }
}

/** The first line that says something; programs repeat their input and point at a column in the next ones. */
function reasonOf(stderr: string, code: number | null): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  const line = lines.find((text) => text !== '' && !text.startsWith('Command failed')) ?? '';
  const words = line.replace(/^(?:Error: |RTNETLINK answers: |\S+:\d+:\d+-\d+: Error: )+/, '');
  return words.slice(0, REASON_SIZE_MAX) || `status ${code ?? 'none'}`;
}
