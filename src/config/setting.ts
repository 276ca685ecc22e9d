/** What a setting is, and how paths of one are read. Pure. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Whose defaults apply, and where relative paths begin. */
export interface Surroundings {
  readonly env: Environment;
  readonly uid: number;
  readonly cwd: string;
}

/** One setting. `parse` gives `undefined` for a text that has no meaning. */
export interface Setting<T> {
  readonly env: string;
  readonly unit: 'path' | 'bytes' | 'milliseconds' | 'list' | 'text' | 'url' | 'number';
  readonly description: string;
  /** What a value looks like, for error messages. */
  readonly expected: string;
  readonly parse: (text: string, from: Surroundings) => T | undefined;
  readonly fallback: (from: Surroundings) => T;
}

export function parsePath(text: string, { cwd, env }: Surroundings): string | undefined {
  if (text === '' || text.includes('\0')) return undefined;
  if (text === '~' || text.startsWith('~/')) return join(env['HOME'] || homedir(), text.slice(1));
  return isAbsolute(text) ? text : resolve(cwd, text);
}

export function dataHome(env: Environment): string {
  return env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local/share');
}
