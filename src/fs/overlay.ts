/**
 * The writable view of a mount: overlayfs with the mount as its lower layer. The kernel does all of it;
 * this file only finds the folders and asks for the mount.
 */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { G8Error, toG8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;

export interface OverlayOptions {
  readonly lower: string;
  /** Folder that keeps the changes; made when absent. Must not be on overlayfs itself. */
  readonly upper: string;
  /** Folder beside the upper one; default {@link workDir}. */
  readonly work?: string | undefined;
  readonly mountPoint: string;
  readonly source: string;
}

/** Folder that overlayfs needs beside the upper one, on the same file system. */
export function workDir(upper: string): string {
  return `${upper}.work`;
}

/**
 * Mounts `lower` read-write at `mountPoint`.
 *
 * @throws ERR_USAGE for folders whose names cannot stand in mount options; ERR_PERMISSION unless root;
 *   ERR_MOUNT with the kernel's reason
 */
export async function mountOverlay(options: OverlayOptions): Promise<void> {
  const work = options.work ?? workDir(options.upper);
  for (const path of [options.lower, options.upper, work]) {
    if (/[,:\\"]/.test(path)) {
      throw new G8Error('ERR_USAGE', `${path} contains one of , : \\ " and cannot be a layer`);
    }
  }
  if (process.getuid?.() !== 0) {
    throw new G8Error(
      'ERR_PERMISSION',
      'A read-write mount needs root: overlayfs is mounted on top',
    );
  }
  await makeUpperFolders(options.upper, work);
  const layers = `lowerdir=${options.lower},upperdir=${options.upper},workdir=${work}`;
  // As in the kernel tier, so that changes made in one tier can be seen in the other.
  const list = `${layers},metacopy=on,redirect_dir=on`;
  const args = ['-i', '-t', 'overlay', '-o', list, options.source, options.mountPoint];
  try {
    await run('mount', args, { timeout: TIMEOUT_MS, cwd: '/' });
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim().split('\n')[0];
    throw new G8Error('ERR_MOUNT', `Overlay at ${options.mountPoint} failed: ${words || error}`, {
      cause: error,
    });
  }
}

/** Makes the folders of a writable overlay; what is in them stays. */
export async function makeUpperFolders(upper: string, work: string): Promise<void> {
  await makeFolder(upper);
  await makeFolder(work, { mode: 0o700 });
}

/** Removes the work folder after the overlay is gone; the upper folder stays, it is the user's. */
export async function removeWorkDir(upper: string): Promise<void> {
  try {
    await rm(workDir(upper), { recursive: true, force: true });
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `Work folder of ${upper} cannot be removed`);
  }
}
