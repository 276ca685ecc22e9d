/** Settings of the core daemon, and the file that has its extensions. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { G8Error, toG8Error } from '../base/errors.ts';

/** A command that is a program. */
export interface Extension {
  readonly binary: string;
  readonly cwd: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CoreSettings {
  /** Jobs that may be alive; beyond that commands wait in their queue. */
  readonly maxJobs: number;
  /** Records that the list of a logger keeps. */
  readonly loggerSize: number;
  readonly extensions: ReadonlyMap<string, Extension>;
  /** Chain of the host's firewall in which ports may be opened; absent or empty: none. */
  readonly firewallChain?: string;
}

const FILE_SIZE_MAX = 1024 * 1024;

const EXTENSIONS = z.record(
  z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/),
  z.strictObject({
    binary: z.string().min(1),
    cwd: z.string().default(''),
    args: z.array(z.string()).default([]),
    env: z.record(z.string(), z.string()).default({}),
  }),
);

/**
 * @param path YAML file: programs by the names of their commands; `''`: there is none
 * @throws ERR_CONFIG naming what is wrong, ERR_NO_INPUT, ERR_PERMISSION
 */
export async function readExtensions(path: string): Promise<Map<string, Extension>> {
  if (path === '') return new Map();
  let source: Buffer;
  try {
    source = await readFile(path);
  } catch (error) {
    throw toG8Error(error, 'ERR_CONFIG', `Extensions file ${path} cannot be read`);
  }
  if (source.length > FILE_SIZE_MAX) throw wrong(path, 'is too large');
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(source.toString('utf8'), { maxAliasCount: 0 }) ?? {};
  } catch {
    throw wrong(path, 'is no YAML');
  }
  const parsed = EXTENSIONS.safeParse(value);
  if (parsed.success) return new Map(Object.entries(parsed.data));
  const [issue] = parsed.error.issues;
  throw wrong(path, `has a wrong value at ${issue?.path.join('.')}: ${issue?.message}`);
}

function wrong(path: string, problem: string): G8Error {
  return new G8Error('ERR_CONFIG', `Extensions file ${path} ${problem}`);
}
