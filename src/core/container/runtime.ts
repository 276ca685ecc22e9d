/**
 * The OCI runtime: a program that makes, enters and removes containers. Each call is one child process with a
 * deadline; when it fails, its own last words are the error.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withDeadline } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';

const execute = promisify(execFile);
/** A start waits for the root's mount, hooks of the machine and cgroups; none of them takes seconds. */
const START_TIMEOUT_MS = 60_000;
const DELETE_TIMEOUT_MS = 30_000;
/** Only the end of what a runtime says is of interest. */
const WORDS_LENGTH_MAX = 500;

/** Programs that are known to work. */
export type RuntimeName = 'runc' | 'crun';

/** How to run something in a container. */
export interface ExecOptions {
  readonly argv: readonly string[];
  /** Over the environment that the container was made with. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default `/`. */
  readonly cwd?: string | undefined;
  readonly terminal?: boolean;
  /** Gets the number of the process on the host. */
  readonly pidFile?: string;
  /** Gets the runtime's errors, apart from what the program itself says. */
  readonly logFile?: string;
}

/** A container in the foreground, to be started by the caller. */
export interface ForegroundCommand {
  readonly argv: readonly [program: string, ...args: string[]];
  /** Gets the number of the first process on the host. */
  readonly pidFile: string;
  /** Gets the runtime's errors. */
  readonly log: string;
}

export class Runtime {
  readonly program: RuntimeName;
  readonly #stateDir: string;

  /** @param stateDir where the runtime keeps what it knows of containers */
  constructor(program: RuntimeName, stateDir: string) {
    this.program = program;
    this.#stateDir = stateDir;
  }

  /**
   * Makes a container from the bundle and starts it.
   *
   * @param bundle folder with `config.json`; the runtime's own files go there as well
   * @param output descriptor that takes what the first process writes
   * @returns number of the first process on the host
   * @throws ERR_CREATE with the runtime's reason, ERR_TIMEOUT
   */
  async start(name: string, bundle: string, output: number): Promise<number> {
    const [log, pidFile] = [join(bundle, 'runtime.log'), join(bundle, 'pid')];
    await Promise.all([rm(log, { force: true }), rm(pidFile, { force: true })]);
    const args = [...this.#global(log), 'run', '--detach', '--pid-file', pidFile];
    const child = spawn(this.program, [...args, '--bundle', bundle, name], {
      cwd: '/',
      stdio: ['ignore', output, output],
    });
    const code = await ended(child, `Start of container ${name}`, START_TIMEOUT_MS);
    if (code !== 0) {
      const words = (await lastError(log)) ?? `${this.program} ended with ${code}`;
      throw new G8Error('ERR_CREATE', `Container ${name} cannot be started: ${words}`);
    }
    return Number(await readFile(pidFile, 'utf8'));
  }

  /** The command that runs a container in the foreground, with the caller's own terminal. */
  foreground(name: string, bundle: string): ForegroundCommand {
    const log = join(bundle, 'runtime.log');
    const pidFile = join(bundle, 'pid');
    const args = ['run', '--pid-file', pidFile, '--bundle', bundle, name];
    return { argv: [this.program, ...this.#global(log), ...args], pidFile, log };
  }

  /** The command that runs something in a container, in the foreground. */
  exec(name: string, options: ExecOptions): readonly [string, ...string[]] {
    const { argv, env = {}, cwd, terminal, pidFile, logFile } = options;
    return [
      this.program,
      ...this.#global(logFile),
      'exec',
      ...(terminal === true ? ['--tty'] : []),
      ...(cwd === undefined ? [] : ['--cwd', cwd]),
      ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      ...(pidFile === undefined ? [] : ['--pid-file', pidFile]),
      name,
      ...argv,
    ];
  }

  /**
   * Ends a container and removes what the runtime has made for it, cgroups included. Nothing happens when there
   * is nothing.
   *
   * @throws ERR_IO with the runtime's reason, ERR_TIMEOUT
   */
  async delete(name: string): Promise<void> {
    // It has a folder for each; one that ran in the foreground is gone already.
    if (!existsSync(join(this.#stateDir, name))) return;
    const args = [...this.#global(undefined), 'delete', '--force', name];
    try {
      await execute(this.program, args, { cwd: '/', timeout: DELETE_TIMEOUT_MS });
    } catch (error) {
      const { stderr = '', killed } = error as { stderr?: string; killed?: boolean };
      if (/does not exist/.test(stderr)) return;
      if (killed) throw new G8Error('ERR_TIMEOUT', `Container ${name} is not removed in time`);
      const words = plainWords(stderr) ?? String(error);
      throw new G8Error('ERR_IO', `Container ${name} cannot be removed: ${words}`);
    }
  }

  /** Stops all processes of a container where they are. @throws ERR_IO, ERR_TIMEOUT */
  async pause(name: string): Promise<void> {
    await this.#run('pause', name);
  }

  /** @throws ERR_IO, ERR_TIMEOUT */
  async resume(name: string): Promise<void> {
    await this.#run('resume', name);
  }

  async #run(verb: string, name: string): Promise<void> {
    try {
      await execute(this.program, [...this.#global(undefined), verb, name], {
        cwd: '/',
        timeout: DELETE_TIMEOUT_MS,
      });
    } catch (error) {
      const { stderr = '', killed } = error as { stderr?: string; killed?: boolean };
      if (killed) throw new G8Error('ERR_TIMEOUT', `${verb} of container ${name} takes too long`);
      const words = plainWords(stderr) ?? String(error);
      throw new G8Error('ERR_IO', `${verb} of container ${name} failed: ${words}`);
    }
  }

  #global(log: string | undefined): string[] {
    return [
      '--root',
      this.#stateDir,
      ...(log === undefined ? [] : ['--log', log, '--log-format', 'json']),
    ];
  }
}

/**
 * The last error that a runtime has written to its log, in one line.
 *
 * @returns `undefined` when there is none
 */
export async function lastError(log: string): Promise<string | undefined> {
  const text = await readFile(log, 'utf8').catch(() => '');
  for (const line of text.trimEnd().split('\n').reverse()) {
    try {
      const { level, msg } = JSON.parse(line) as { level?: string; msg?: string };
      if (level === 'error' && typeof msg === 'string') return plainWords(msg);
    } catch {
      // A line of other words, or one that is cut: the one before may say it.
    }
  }
  return undefined;
}

function plainWords(text: string): string | undefined {
  const line = text.trim().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? undefined : line.slice(-WORDS_LENGTH_MAX);
}

/** The exit code; a program that does not end in time is killed. */
async function ended(child: ChildProcess, what: string, timeoutMs: number): Promise<number> {
  try {
    return await withDeadline({ what, timeoutMs }, async (signal) => {
      const [code, killer] = (await once(child, 'close', { signal })) as [number | null, string];
      if (code === null) throw new G8Error('ERR_CREATE', `${what} was ended by ${killer}`);
      return code;
    });
  } catch (error) {
    child.kill('SIGKILL');
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new G8Error('ERR_NO_INPUT', `${child.spawnfile} is not installed`, { cause: error });
    }
    throw error;
  }
}
