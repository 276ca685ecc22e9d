/**
 * A container as a place for jobs: each is a child of the OCI runtime, which enters the container for it. Paths,
 * names and the environment are the container's own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { CommandError } from '../command/error.ts';
import { killGroup } from '../job/host-place.ts';
import type { Place, PlaceProcess, ProcessEnd, ProcessRequest } from '../job/place.ts';
import type { Container } from './container.ts';
import { OWN_FOLDER } from './oci.ts';
import { waitForPid } from './pid-file.ts';
import { lastError } from './runtime.ts';

/** The runtime ends with 128 and the number of the signal that ended the process. */
const SIGNAL_STATUS = 128;
const SIGNAL_MAX = 64;
/** What the runtime says when there is no such program. */
const NOT_FOUND =
  /exec: ".*": (executable file not found|stat .*: no such file|no such file)|executable file `.*` not found/;

export class ContainerPlace implements Place {
  readonly core: number;
  readonly guestProgram = `${OWN_FOLDER}/guest`;
  readonly #container: Container;
  #count = 0;

  constructor(container: Container) {
    this.core = container.id;
    this.#container = container;
  }

  get networkPrefix(): readonly string[] {
    const path = this.#container.networkNamespace;
    return path === undefined ? [] : ['nsenter', `--net=${path}`];
  }

  async start(request: ProcessRequest): Promise<PlaceProcess> {
    const name = join(this.#container.folder.jobs, `${process.pid}-${++this.#count}`);
    const [pidFile, logFile] = [`${name}.pid`, `${name}.log`];
    const [program, ...args] = this.#container.exec({
      argv: request.argv,
      env: request.env,
      cwd: resolve('/', request.cwd),
      pidFile,
      logFile,
    });
    const clear = async (): Promise<void> => {
      // The folder may be gone with its container.
      await Promise.all([pidFile, logFile].map((path) => rm(path, { force: true }))).catch(
        () => {},
      );
    };
    const child = this.#spawn(program, args, request);
    // Read from now on: what nobody reads by the end of a process is dropped.
    const [stdout, stderr] = [kept(child.stdout), kept(child.stderr)];
    const exited = endOf(child);
    void exited.then(clear);
    const pid = await waitForPid(pidFile, exited).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    if (pid === undefined) {
      const words = await lastError(logFile);
      throw startFailure(request.argv[0], words);
    }
    // It may have ended by now, or its group is gone: neither is a reason not to run.
    await this.#container.join(pid).catch(() => {});
    // What a process does not want to read is its own affair.
    child.stdin?.on('error', () => {});
    return {
      pid,
      stdin: child.stdin as Writable | null,
      stdout,
      stderr,
      exited,
      kill: (signal) => killGroup(pid, signal),
    };
  }

  #spawn(program: string, args: readonly string[], { stdin }: ProcessRequest): ChildProcess {
    try {
      return spawn(program, args, {
        cwd: '/',
        stdio: [stdin === 'pipe' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
        // Signals of a terminal are for the daemon alone.
        detached: true,
      });
    } catch (error) {
      // Zero bytes in a word, too many of them.
      throw new CommandError(400, 'it cannot be started with these arguments', { cause: error });
    }
  }
}

/** A pipe that breaks has ended. */
function kept(output: Readable | null): Readable {
  const reader = new PassThrough();
  output?.on('error', () => reader.end());
  return output?.pipe(reader) ?? reader.end();
}

/** Never rejects: what could not be started has ended as well. */
function endOf(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((settle) => {
    child.once('error', () => settle({ status: 255, signal: null }));
    child.once('exit', (status, signal) => settle(toEnd(status, signal)));
  });
}

function toEnd(status: number | null, signal: string | null): ProcessEnd {
  const number = (status ?? 0) - SIGNAL_STATUS;
  if (number < 1 || number > SIGNAL_MAX) return { status, signal };
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return { status: null, signal: known?.[0] ?? `SIG${number}` };
}

function startFailure(program: string, words = 'the container is gone'): CommandError {
  if (NOT_FOUND.test(words)) return new CommandError(404, `executable '${program}' was not found`);
  return new CommandError(500, `'${program}' cannot be started: ${words}`);
}
