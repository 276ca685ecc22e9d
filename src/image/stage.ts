/**
 * A root folder put together from files of this machine. Links on the way to a file come along, so that
 * every path that works here works there; nothing is ever written through a link, so nothing lands
 * outside. For one builder at a time.
 */
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, normalize, resolve } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { PathMatcher } from './glob.ts';

/** As Linux counts (path_resolution(7)). */
const LINKS_MAX = 40;
/** A recipe that gathers more has named the wrong folder. */
const ENTRY_COUNT_MAX = 1_000_000;

export class Stage {
  readonly root: string;
  readonly #signal: AbortSignal | undefined;
  readonly #present = new Set<string>(['/']);
  readonly #copied: string[] = [];
  #adopted = new Set<string>();

  /** @param root empty folder */
  constructor(root: string, signal?: AbortSignal) {
    this.root = root;
    this.#signal = signal;
  }

  /** Files that were copied since the last call, by their paths on this machine. */
  takeCopied(): string[] {
    return this.#copied.splice(0);
  }

  /** Takes over what is in the root already; files and links of it may be replaced. */
  async adopt(): Promise<void> {
    const todo = ['/'];
    for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
      throwIfAborted(this.#signal);
      const entries = await readdir(join(this.root, folder), { withFileTypes: true });
      for (const entry of entries) {
        const path = join(folder, entry.name);
        this.#add(path);
        if (entry.isDirectory()) todo.push(path);
        else this.#adopted.add(path);
      }
    }
  }

  /**
   * Copies a file or makes an empty folder of one, with all links on the way.
   *
   * @returns path it really has
   * @throws ERR_NO_INPUT when it is not there, ERR_IO
   */
  async copy(path: string): Promise<string> {
    const todo = namesOf(path);
    let at = '/';
    let links = 0;
    for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
      if (name === '..') {
        at = dirname(at);
        continue;
      }
      const next = join(at, name);
      const info = await this.#host(lstat(next), next);
      if (info.isSymbolicLink()) {
        if (++links > LINKS_MAX) throw new G8Error('ERR_NO_INPUT', `${path} has too many links`);
        const target = await this.#host(readlink(next), next);
        await this.#link(next, target);
        if (target.startsWith('/')) at = '/';
        todo.unshift(...namesOf(target));
        continue;
      }
      at = next;
      if (info.isDirectory()) await this.#folder(at, info.mode & 0o7777);
      else if (info.isFile()) await this.#file(at, info.mode & 0o7777);
      else throw new G8Error('ERR_NO_INPUT', `${at} is no file, folder or link`);
    }
    return at;
  }

  /** Copies a folder with everything below but what `exclude` matches; devices and the like are left out. */
  async copyTree(path: string, exclude: PathMatcher): Promise<void> {
    const top = await this.copy(path);
    const todo = [''];
    for (let inside = todo.pop(); inside !== undefined; inside = todo.pop()) {
      throwIfAborted(this.#signal);
      const folder = join(top, inside);
      const entries = await this.#host(readdir(folder, { withFileTypes: true }), folder);
      for (const entry of entries) {
        const below = inside === '' ? entry.name : `${inside}/${entry.name}`;
        if (exclude(below, entry.isDirectory())) continue;
        const full = join(top, below);
        if (entry.isDirectory()) {
          await this.copy(full);
          todo.push(below);
        } else if (entry.isFile()) await this.copy(full);
        // Where it leads is not part of the folder, and need not exist.
        else if (entry.isSymbolicLink()) await this.#link(full, await readlink(full));
      }
    }
  }

  /** Makes a folder that need not exist on this machine; parents get mode 0755. */
  async addFolder(path: string, mode: number): Promise<void> {
    await this.#addParents(path);
    await this.#folder(normalize(path), mode);
  }

  async addFile(path: string, text: string): Promise<void> {
    await this.#addParents(path);
    await this.#replace(normalize(path));
    if (!this.#add(normalize(path))) throw taken(path);
    await this.#written(writeFile(this.#place(path), text, { flag: 'wx', mode: 0o644 }), path);
    await chmod(this.#place(path), 0o644);
  }

  async addLink(path: string, target: string): Promise<void> {
    await this.#addParents(path);
    await this.#replace(normalize(path));
    if (this.#present.has(normalize(path))) throw taken(path);
    await this.#link(normalize(path), target);
  }

  async #replace(path: string): Promise<void> {
    if (!this.#adopted.delete(path)) return;
    await rm(this.#place(path));
    this.#present.delete(path);
  }

  async #addParents(path: string): Promise<void> {
    const names = namesOf(dirname(normalize(path)));
    for (let i = 1; i <= names.length; i++) {
      await this.#folder(`/${names.slice(0, i).join('/')}`, 0o755);
    }
  }

  async #folder(path: string, mode: number): Promise<void> {
    if (!this.#add(path)) {
      const info = await lstat(this.#place(path));
      if (!info.isDirectory()) throw taken(path);
      return;
    }
    await this.#written(mkdir(this.#place(path)), path);
    // The umask does not decide what is in an image. The builder itself must get in until the end.
    await chmod(this.#place(path), mode | 0o700);
  }

  async #file(path: string, mode: number): Promise<void> {
    if (!this.#add(path)) return;
    await this.#written(copyFile(path, this.#place(path), constants.COPYFILE_FICLONE), path);
    await chmod(this.#place(path), mode);
    this.#copied.push(path);
  }

  async #link(path: string, target: string): Promise<void> {
    if (this.#add(path)) await this.#written(symlink(target, this.#place(path)), path);
  }

  #add(path: string): boolean {
    if (this.#present.has(path)) return false;
    this.#present.add(path);
    if (this.#present.size > ENTRY_COUNT_MAX) {
      throw new G8Error('ERR_CREATE', `The recipe gathers more than ${ENTRY_COUNT_MAX} entries`);
    }
    return true;
  }

  #place(path: string): string {
    return join(this.root, resolve('/', path));
  }

  async #host<T>(action: Promise<T>, path: string): Promise<T> {
    try {
      return await action;
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${path} cannot be read`);
    }
  }

  async #written(action: Promise<unknown>, path: string): Promise<void> {
    try {
      await action;
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', `${path} cannot be put into the image`);
    }
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function taken(path: string): G8Error {
  return new G8Error('ERR_CONFIG', `${path} of the recipe is something else already`);
}
