/** What a peer of the `compare` suite is, and what peers are made with. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { run } from '../harness.ts';

/** A mount that does not answer within this never will. */
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 10;

export type CommandLine = [program: string, args: string[]];

/** A root that is there. */
export interface Root {
  /** The command line that runs a program in it. */
  readonly inRoot: (program: readonly string[]) => CommandLine;
  readonly down: () => Promise<void>;
}

/** What a peer fetches from: the servers, seen through the link. */
export interface Servers {
  readonly files: string;
  readonly hub: string;
  readonly registry: string;
}

export interface Peer {
  readonly name: string;
  /** Programs that it needs, with the Debian package of each. */
  readonly needs: readonly (readonly [path: string, debianPackage: string])[];
  /** Which of the servers it uses; `undefined`: its files are on the local disk. */
  readonly server: keyof Servers | undefined;
  /** Makes `file` below the served folder, or whatever it needs, from the tree. */
  readonly prepare: (tree: string, served: string, servers: Servers) => Promise<void>;
  readonly up: (servers: Servers, dir: string, served: string) => Promise<Root>;
}

export function mountedAt(mnt: string): Root {
  return {
    inRoot: chrootIn(mnt),
    down: async () => {
      await run('umount', [mnt]);
    },
  };
}

export function chrootIn(root: string): Root['inRoot'] {
  return (program) => ['chroot', [root, ...program]];
}

export async function folder(dir: string, name: string): Promise<string> {
  const path = join(dir, name);
  await mkdir(path, { recursive: true });
  return path;
}

export async function once(path: string, make: (path: string) => Promise<unknown>): Promise<void> {
  if (existsSync(path)) return;
  // The suffix stays: casync tells formats apart by it.
  const partial = join(dirname(path), `partial-${basename(path)}`);
  await rm(partial, { force: true });
  await make(partial);
  await rename(partial, path);
}

export function background(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: 'ignore', cwd: '/' });
}

/**
 * Waits until the path is there, or the program that shall bring it has ended. Never looks synchronously: the
 * answer may come over the servers and the link of this process.
 */
export async function ready(path: string, child: ChildProcess): Promise<void> {
  const end = performance.now() + READY_TIMEOUT_MS;
  while (!(await isThere(path))) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended early`);
    if (performance.now() > end) {
      child.kill();
      throw new Error(`${child.spawnfile} shows nothing`);
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

export async function unmount(mnt: string, child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await run('umount', [mnt]);
  if (child.exitCode === null) await ended;
}
