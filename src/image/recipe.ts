/**
 * Recipes: which programs and files of this machine, or which Debian packages, make an image. A recipe may
 * run programs, so it is trusted like a makefile. Building the same recipe twice on one machine, or with
 * the same state of the mirror, gives the same tree.
 */
import { execFile } from 'node:child_process';
import { access, constants, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { throwIfAborted } from '../base/abort.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { findProgram } from '../base/find-program.ts';
import type { Metadata } from '../format/flist/metadata.ts';
import {
  ALWAYS_CLEANED,
  CLEANING,
  type CleaningName,
  limitTimes,
  removeMatching,
} from './clean.ts';
import { buildDebian, debianSchema, runInside } from './debian.ts';
import { compileExcludes } from './glob.ts';
import { LibraryFinder } from './libraries.ts';
import { Stage } from './stage.ts';

/** A page or two of text. */
const RECIPE_SIZE_MAX = 256 * 1024;
/** Asking an interpreter for its folders takes milliseconds. */
const ASK_TIMEOUT_MS = 10_000;
/** Where programs are looked up. Not the user's PATH: what is there may only work for that user. */
const PROGRAM_FOLDERS = [
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/bin',
  '/usr/sbin',
  '/bin',
  '/sbin',
];

const list = z.array(z.string().min(1).max(4096)).max(4096).default([]);
const path = z.string().regex(/^\/[^\0]*[^/\0]$/, 'must be an absolute path');
const choice = z.strictObject({
  programs: list,
  folders: list,
  /** Program with arguments that prints folders, one on each line. */
  foldersFrom: list,
  exclude: list,
});
const cleaning = z.enum(Object.keys(CLEANING) as [CleaningName, ...CleaningName[]]);
const schema = z.strictObject({
  description: z.string().max(4096).default(''),
  debian: debianSchema.optional(),
  /** Programs of a Debian image that are run in it, once it is there. */
  run: z
    .array(z.array(z.string().min(1).max(4096)).min(1).max(64))
    .max(64)
    .default([]),
  /** What a Debian image goes without: sets by name, and patterns. */
  clean: z.array(cleaning).default([]),
  exclude: list,
  /** Nothing in a Debian image is newer. */
  time: z
    .string()
    .refine((text) => !Number.isNaN(Date.parse(text)), 'must be an ISO 8601 time')
    .transform((text) => Math.floor(Date.parse(text) / 1000))
    .default(0),
  /** Settings that go with the flist: texts; lists and maps become JSON. */
  metadata: z
    .record(
      z.string().min(1).max(64),
      z.union([z.string(), z.array(z.string()), z.record(z.string(), z.string())]),
    )
    .default({}),
  programs: list,
  optionalPrograms: list,
  firstOf: z.array(choice).max(64).default([]),
  copies: list,
  optionalCopies: list,
  directories: z
    .record(path, z.string().regex(/^[0-7]{3,4}$/, 'must be an octal mode'))
    .default({}),
  files: z.record(path, z.string()).default({}),
  links: z.record(path, z.string().min(1).max(4095)).default({}),
});

const FROM_HERE = ['programs', 'optionalPrograms', 'firstOf', 'copies', 'optionalCopies'] as const;
const FROM_DEBIAN = ['run', 'clean', 'exclude'] as const;

export type Recipe = z.infer<typeof schema>;
type Choice = z.infer<typeof choice>;

/** Owner and time of everything in an image that a recipe made. */
export const RECIPE_OWNER = { uid: 0, gid: 0 } as const;
export const RECIPE_MTIME_SECONDS = 0;

export interface StageOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** Told what takes time, in a few words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Parses a recipe.
 *
 * @param name where it came from, for messages
 * @throws ERR_CONFIG
 */
export function parseRecipe(text: string, name: string): Recipe {
  if (text.length > RECIPE_SIZE_MAX) throw new G8Error('ERR_CONFIG', `Recipe ${name} is too large`);
  let document: unknown;
  try {
    // Failsafe: every scalar is text, so a mode keeps its zeros.
    document = parse(text, { schema: 'failsafe', maxAliasCount: 0, logLevel: 'error' });
  } catch (error) {
    throw new G8Error('ERR_CONFIG', `Recipe ${name} is not YAML`, { cause: error });
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return checkSource(parsed.data, name);
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'root';
  throw new G8Error('ERR_CONFIG', `Recipe ${name} has an invalid ${where}: ${issue?.message}`);
}

// Files of two origins in one image would be an image of nothing.
function checkSource(recipe: Recipe, name: string): Recipe {
  const idle = recipe.debian === undefined ? FROM_DEBIAN : FROM_HERE;
  const given = idle.find((key) => recipe[key].length > 0);
  if (given === undefined) return recipe;
  const word = recipe.debian === undefined ? 'without' : 'beside';
  throw new G8Error('ERR_CONFIG', `Recipe ${name} has ${given} ${word} debian`);
}

/** The recipe's metadata as a flist keeps it. */
export function recipeMetadata(recipe: Recipe): Metadata {
  const texts = Object.entries(recipe.metadata).map(
    ([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  );
  return new Map(texts);
}

/** @throws ERR_NO_INPUT, ERR_CONFIG */
export async function readRecipe(file: string): Promise<Recipe> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `Recipe ${file} cannot be read`);
  }
  return parseRecipe(text, file);
}

/**
 * Puts the recipe's files together in a temporary folder for the time of `use`.
 *
 * @throws ERR_NO_INPUT when a program, file, library or package is not there, what {@link buildDebian} throws
 */
export async function withStagedRecipe<T>(
  recipe: Recipe,
  options: StageOptions,
  use: (root: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(options.env['TMPDIR'] || tmpdir(), 'g8ufs-build-'));
  try {
    const stage = new Stage(folder, options.signal);
    if (recipe.debian !== undefined) await unpackDebian(recipe, stage, options);
    await new Builder(stage, options).build(recipe);
    if (recipe.debian !== undefined) await limitTimes(folder, recipe.time, options.signal);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function unpackDebian(recipe: Recipe, stage: Stage, options: StageOptions): Promise<void> {
  const { root } = stage;
  const debianOptions = { ...options, timeSeconds: recipe.time };
  await buildDebian(recipe.debian as NonNullable<Recipe['debian']>, root, debianOptions);
  for (const command of recipe.run) await runInside(root, command, debianOptions);
  const unwanted = recipe.clean.flatMap((name) => CLEANING[name]);
  const matches = compileExcludes([...ALWAYS_CLEANED, ...unwanted, ...recipe.exclude]);
  await removeMatching(root, matches, options.signal);
  await stage.adopt();
}

class Builder {
  readonly #stage: Stage;
  readonly #options: StageOptions;
  readonly #libraries = new LibraryFinder();

  constructor(stage: Stage, options: StageOptions) {
    this.#stage = stage;
    this.#options = options;
  }

  async build(recipe: Recipe): Promise<void> {
    for (const program of recipe.programs) await this.#addProgram(await this.#find(program));
    for (const program of recipe.optionalPrograms) {
      const found = await findProgram(program, PROGRAM_FOLDERS);
      if (found !== undefined) await this.#addProgram(found);
    }
    await this.#addFirst(recipe.firstOf);
    for (const copy of recipe.copies) await this.#stage.copy(copy);
    for (const copy of recipe.optionalCopies) {
      if (await isThere(copy, constants.R_OK)) await this.#stage.copy(copy);
    }
    for (const [name, mode] of Object.entries(recipe.directories)) {
      await this.#stage.addFolder(name, Number.parseInt(mode, 8));
    }
    for (const [name, text] of Object.entries(recipe.files)) await this.#stage.addFile(name, text);
    for (const [name, target] of Object.entries(recipe.links)) {
      await this.#stage.addLink(name, target);
    }
  }

  async #addFirst(choices: readonly Choice[]): Promise<void> {
    for (const { programs, folders, foldersFrom, exclude } of choices) {
      const found = await Promise.all(
        programs.map((program) => findProgram(program, PROGRAM_FOLDERS)),
      );
      if (found.includes(undefined)) continue;
      for (const program of found) await this.#addProgram(program as string);
      const asked = await this.#ask(foldersFrom);
      const excludes = compileExcludes(exclude);
      for (const folder of [...folders, ...asked]) await this.#stage.copyTree(folder, excludes);
      // A plug-in whose library is absent does not work on this machine either.
      await this.#addLibraries({ mayLack: true });
      return;
    }
  }

  async #addProgram(program: string): Promise<void> {
    throwIfAborted(this.#options.signal);
    const real = await this.#stage.copy(program);
    const interpreter = await this.#scriptInterpreter(real);
    if (interpreter !== undefined) await this.#stage.copy(interpreter);
    await this.#addLibraries({ mayLack: false });
  }

  /** Brings what the files copied so far need, and what that needs. */
  async #addLibraries({ mayLack }: { mayLack: boolean }): Promise<void> {
    for (let files = this.#stage.takeCopied(); files.length > 0; files = this.#stage.takeCopied()) {
      for (const file of files) {
        const { found, absent } = this.#libraries.needsOf(file);
        if (absent.length > 0 && !mayLack) {
          throw new G8Error(
            'ERR_NO_INPUT',
            `Library ${absent[0]} of ${file} is not on this machine`,
          );
        }
        for (const library of found) await this.#stage.copy(library);
      }
    }
  }

  /** Program behind `#!`, the one that env(1) would find included. */
  async #scriptInterpreter(file: string): Promise<string | undefined> {
    const head = (await readFile(file)).subarray(0, 256).toString('latin1');
    const words = /^#![ \t]*([^\n]+)/.exec(head)?.[1]?.trim().split(/\s+/);
    const [program, argument] = words ?? [];
    if (program === undefined) return undefined;
    if (!program.endsWith('/env') || argument === undefined) return program;
    await this.#stage.copy(program);
    return this.#find(argument);
  }

  async #ask(command: readonly string[]): Promise<string[]> {
    const [program, ...args] = command;
    if (program === undefined) return [];
    const file = await this.#find(program);
    try {
      const { stdout } = await promisify(execFile)(file, args, {
        timeout: ASK_TIMEOUT_MS,
        env: { PATH: PROGRAM_FOLDERS.join(':'), LC_ALL: 'C' },
        ...(this.#options.signal !== undefined && { signal: this.#options.signal }),
      });
      return stdout.split('\n').filter((line) => line.startsWith('/'));
    } catch (error) {
      throw toG8Error(error, 'ERR_NO_INPUT', `${program} did not name its folders`);
    }
  }

  async #find(program: string): Promise<string> {
    const found = await findProgram(program, PROGRAM_FOLDERS);
    if (found === undefined) {
      throw new G8Error('ERR_NO_INPUT', `Program ${program} is not on this machine`);
    }
    return found;
  }
}

async function isThere(file: string, mode: number): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}
