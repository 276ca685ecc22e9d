/** The host as a place: processes of the daemon's own user, each the leader of a session and group. */
import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { findProgram } from '../../base/find-program.ts';
import { CommandError } from '../command/error.ts';
import type { Place, PlaceProcess, ProcessEnd, ProcessRequest } from './place.ts';

export interface HostPlaceOptions {
  readonly guestProgram: string;
  /** Where relative paths begin. */
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class HostPlace implements Place {
  readonly core = 0;
  readonly guestProgram: string;
  readonly networkPrefix: readonly string[] = [];
  readonly #workingDir: string;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(options: HostPlaceOptions) {
    this.guestProgram = options.guestProgram;
    this.#workingDir = options.workingDir;
    this.#env = options.env;
  }

  async start(request: ProcessRequest): Promise<PlaceProcess> {
    const [program, ...args] = request.argv;
    const cwd = resolve(this.#workingDir, request.cwd);
    const path = await this.#find(program);
    if (path === undefined) {
      throw new CommandError(404, `executable '${program}' was not found`);
    }
    if (!(await isFolder(cwd))) throw new CommandError(500, `folder '${cwd}' does not exist`);
    let child: ChildProcess;
    try {
      child = spawn(path, args, {
        cwd,
        env: { ...this.#env, ...request.env },
        stdio: [request.stdin === 'pipe' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
        // A session and a group of its own.
        detached: true,
      });
    } catch (error) {
      // Zero bytes in a word, too many of them.
      throw new CommandError(400, `'${program}' cannot be started with these arguments`, {
        cause: error,
      });
    }
    return await ownProcess(child, program);
  }

  /** As a shell would find it: a name with a slash is a path. */
  async #find(program: string): Promise<string | undefined> {
    if (program === '' || program.includes('\0')) return undefined;
    const folders = (this.#env['PATH'] || PATH_DEFAULT).split(':');
    return await findProgram(
      program.includes('/') ? resolve(this.#workingDir, program) : program,
      folders.map((folder) => resolve(this.#workingDir, folder)),
    );
  }
}

/** @throws CommandError 500 when the kernel has refused to start it */
async function ownProcess(child: ChildProcess, program: string): Promise<PlaceProcess> {
  const exited = new Promise<ProcessEnd>((settle) => {
    child.once('exit', (status, signal) => settle({ status, signal }));
  });
  const { pid } = child;
  if (pid === undefined) {
    const error = await new Promise<Error>((settle) => child.once('error', settle));
    throw new CommandError(500, `'${program}' cannot be started: ${error.message}`, {
      cause: error,
    });
  }
  // What a process does not want to read is its own affair.
  child.stdin?.on('error', () => {});
  return {
    pid,
    stdin: child.stdin as Writable | null,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    exited,
    kill: (signal) => killGroup(pid, signal),
  };
}

/** @returns false when the group has no member left */
export function killGroup(leader: number, signal: number): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return false;
    if (code === 'EINVAL') throw new CommandError(400, `there is no signal ${signal}`);
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
