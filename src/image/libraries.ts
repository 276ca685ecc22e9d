/**
 * Finds the shared libraries of programs the way ld.so(8) does, from files alone: run paths, then the
 * folders of ld.so.conf, then the standard ones. Environment variables do not count.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Elf, readElf } from './elf.ts';
import { openFileSource } from './file-source.ts';
import { compileName } from './glob.ts';

const STANDARD_FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];
/** Includes of includes; a longer chain is a circle. */
const INCLUDE_DEPTH_MAX = 8;

/** What a file needs at run time. */
export interface Needs {
  /** Paths of the interpreter and of the libraries that were found. */
  readonly found: readonly string[];
  /** Names of libraries that are not on this machine. */
  readonly absent: readonly string[];
}

export class LibraryFinder {
  readonly #folders: readonly string[];
  readonly #kinds = new Map<string, string | undefined>();

  /** @param configuration path of ld.so.conf */
  constructor(configuration = '/etc/ld.so.conf') {
    this.#folders = [...new Set([...readConfiguration(configuration, 0), ...STANDARD_FOLDERS])];
  }

  /** Direct needs of a file; none when it is no ELF file. */
  needsOf(path: string): Needs {
    const elf = readFile(path);
    if (elf === undefined) return { found: [], absent: [] };
    const found = elf.interpreter === undefined ? [] : [elf.interpreter];
    const absent: string[] = [];
    for (const name of elf.needed) {
      const library = this.#find(name, elf, path);
      if (library === undefined) absent.push(name);
      else found.push(library);
    }
    return { found, absent };
  }

  #find(name: string, elf: Elf, path: string): string | undefined {
    const origin = dirname(path);
    const own = elf.runPaths.map((folder) => folder.replace(/\$(ORIGIN|\{ORIGIN\})/g, origin));
    const candidates = name.includes('/')
      ? [name]
      : [...own, ...this.#folders].map((folder) => join(folder, name));
    // A library for another machine may come first: multiarch folders hold several.
    return candidates.find((candidate) => this.#kindOf(candidate) === elf.kind);
  }

  #kindOf(path: string): string | undefined {
    if (!this.#kinds.has(path)) this.#kinds.set(path, readFile(path)?.kind);
    return this.#kinds.get(path);
  }
}

function readFile(path: string): Elf | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info?.isFile() !== true) return undefined;
  const source = openFileSource(path);
  try {
    return readElf(source);
  } finally {
    source.close();
  }
}

function readConfiguration(path: string, depth: number): string[] {
  const text = readText(path);
  if (depth > INCLUDE_DEPTH_MAX || text === undefined) return [];
  return text.split('\n').flatMap((line) => {
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    if (words[0] !== 'include') return words.filter((word) => word.startsWith('/'));
    return words
      .slice(1)
      .flatMap((pattern) => expand(resolve(dirname(path), pattern)))
      .flatMap((included) => readConfiguration(included, depth + 1));
  });
}

// Patterns stand in the last part of the path only, as in every distribution's file.
function expand(pattern: string): string[] {
  const folder = dirname(pattern);
  const matches = compileName(basename(pattern));
  try {
    const names = readdirSync(folder).filter((name) => matches(name));
    return names.sort().map((name) => join(folder, name));
  } catch {
    // ld.so takes an include that leads nowhere for empty.
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Systems without the file (musl) have the standard folders only.
    return undefined;
  }
}
