/** A PostgreSQL server for a test file: Debian's, in a folder of its own, on a socket in that folder. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PROGRAMS = '/usr/lib/postgresql';
// A loaded machine starts it within seconds.
const START_MS = 30_000;
const STOP_MS = 5_000;
/** It refuses to run as root. */
const NOBODY = 65_534;

export interface PostgresServer {
  /** URL of its database. */
  readonly url: string;
  /** URL of a new, empty database. */
  createDatabase(): string;
  /** Idempotent. */
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const version = readdirSync(PROGRAMS).sort().at(-1) as string;
  const program = (name: string) => join(PROGRAMS, version, 'bin', name);
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-postgres-'));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const user = isRoot ? ['--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
  const run = (...command: string[]) =>
    execFileSync('/usr/bin/setpriv', [...user, '--', ...command], { cwd: folder, stdio: 'pipe' });
  const data = join(folder, 'data');
  run(program('initdb'), '-D', data, '-U', 'hub', '-A', 'trust', '-E', 'UTF8', '--no-sync', '-N');
  const settings = {
    fsync: 'off',
    listen_addresses: '',
    unix_socket_directories: folder,
    log_min_messages: 'panic',
    shared_buffers: '16MB',
  };
  const server = spawn(
    '/usr/bin/setpriv',
    [
      // It dies with the test, whatever ends that.
      ...[...user, '--pdeathsig', 'QUIT', '--', program('postgres'), '-D', data],
      ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(server, 'exit');
  const end = Date.now() + START_MS;
  while (!existsSync(join(folder, '.s.PGSQL.5432')) || !isReady(program('pg_isready'), folder)) {
    if (Date.now() > end || server.exitCode !== null) throw new Error('PostgreSQL does not start');
    await sleep(20);
  }
  const urlOf = (database: string) => `postgres://hub@localhost/${database}?host=${folder}`;
  let count = 0;
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    // An immediate end: nothing of it is kept.
    server.kill('SIGQUIT');
    const late = setTimeout(() => server.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    url: urlOf('postgres'),
    createDatabase: () => {
      const database = `test${count++}`;
      run(program('createdb'), '-h', folder, '-U', 'hub', database);
      return urlOf(database);
    },
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function isReady(program: string, folder: string): boolean {
  try {
    execFileSync(program, ['-q', '-h', folder, '-U', 'hub'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
