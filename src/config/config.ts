/**
 * Effective settings: flags win over the environment, that over the configuration file, that over the
 * defaults. Each value remembers where it came from. Read once, at the start of a command.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { G8Error, toG8Error } from '../base/errors.ts';
import {
  type Environment,
  SETTINGS,
  type SettingName,
  type SettingValue,
  type Surroundings,
} from './schema.ts';

/** A file of more bytes is no configuration. */
const FILE_SIZE_MAX = 1024 * 1024;

export type Origin = 'flag' | 'environment' | 'file' | 'default';

export interface Effective {
  readonly value: unknown;
  readonly origin: Origin;
  /** Name of the variable or path of the file. */
  readonly source?: string;
}

export interface Config {
  get<N extends SettingName>(name: N): SettingValue<N>;
  effective(name: SettingName): Effective;
}

/** Values of flags, as the user wrote them; absent ones are `undefined`. */
export type FlagValues = Readonly<
  Partial<Record<SettingName, string | readonly string[] | undefined>>
>;

/**
 * @param env environment; `G8UFS_CONFIG` names the file instead of the usual places
 * @throws ERR_CONFIG for a file or variable that makes no sense, ERR_USAGE for a flag
 */
export async function loadConfig(
  env: Environment,
  flags: FlagValues = {},
  uid: number = process.getuid?.() ?? 0,
): Promise<Config> {
  const from: Surroundings = { env, uid, cwd: process.cwd() };
  const file = await readFile(env, uid);
  const values = new Map<SettingName, Effective>();
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    values.set(name, resolveSetting(name, from, flags[name], file));
  }
  const effective = (name: SettingName): Effective => values.get(name) as Effective;
  return {
    effective,
    get: <N extends SettingName>(name: N) => effective(name).value as SettingValue<N>,
  };
}

/** Places where a configuration file is looked for; the first that exists is read. */
export function configPaths(env: Environment, uid: number): string[] {
  if (env['G8UFS_CONFIG']) return [env['G8UFS_CONFIG']];
  const home = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  const user = uid === 0 ? [] : [join(home, 'g8ufs/config.yaml')];
  return [...user, '/etc/g8ufs/config.yaml'];
}

interface ConfigFile {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

function resolveSetting(
  name: SettingName,
  from: Surroundings,
  flag: FlagValues[SettingName],
  file: ConfigFile | undefined,
): Effective {
  const setting = SETTINGS[name];
  if (flag !== undefined) {
    const value = parse(name, from, textOf(flag), 'ERR_USAGE');
    return { value, origin: 'flag' };
  }
  const variable = from.env[setting.env];
  if (variable !== undefined && variable !== '') {
    const value = parse(name, from, variable, 'ERR_CONFIG', setting.env);
    return { value, origin: 'environment', source: setting.env };
  }
  const written = file?.values[name];
  if (file !== undefined && written !== undefined && written !== null) {
    const text = textOf(Array.isArray(written) ? written.map(String) : String(written));
    const value = parse(name, from, text, 'ERR_CONFIG', `${name} in ${file.path}`);
    return { value, origin: 'file', source: file.path };
  }
  return { value: setting.fallback(from), origin: 'default' };
}

function parse(
  name: SettingName,
  from: Surroundings,
  text: string,
  code: 'ERR_USAGE' | 'ERR_CONFIG',
  where = `Setting ${name}`,
): unknown {
  const { parse: parseText, expected } = SETTINGS[name];
  const value = parseText(text, from);
  if (value === undefined) throw new G8Error(code, `${where} is '${text}', not ${expected}`);
  return value;
}

function textOf(value: string | readonly string[]): string {
  return typeof value === 'string' ? value : value.join(' ');
}

async function readFile(env: Environment, uid: number): Promise<ConfigFile | undefined> {
  for (const path of configPaths(env, uid)) {
    const text = readText(path, env['G8UFS_CONFIG'] !== undefined);
    if (text !== undefined) return { path, values: await parseFile(path, text) };
  }
  return undefined;
}

function readText(path: string, mustExist: boolean): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > FILE_SIZE_MAX) throw new G8Error('ERR_CONFIG', `${path} is too large`);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !mustExist) return undefined;
    throw toG8Error(error, 'ERR_CONFIG', `Configuration ${path} cannot be read`);
  }
}

async function parseFile(path: string, text: string): Promise<Record<string, unknown>> {
  const { parse: parseYaml } = await import('yaml');
  let values: unknown;
  try {
    values = parseYaml(text, { maxAliasCount: 0 }) ?? {};
  } catch (error) {
    throw new G8Error('ERR_CONFIG', `Configuration ${path} is not YAML`, { cause: error });
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new G8Error('ERR_CONFIG', `Configuration ${path} is no list of settings`);
  }
  for (const key of Object.keys(values)) {
    if (key in SETTINGS) continue;
    const meant = nearest(key);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    throw new G8Error('ERR_CONFIG', `Configuration ${path} has an unknown setting ${key}${hint}`);
  }
  return values as Record<string, unknown>;
}

/** The setting whose name differs in at most three letters. */
function nearest(key: string): string | undefined {
  const distances = Object.keys(SETTINGS).map((name) => ({ name, distance: distance(key, name) }));
  const best = distances.sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= 3 ? best.name : undefined;
}

// Levenshtein distance, one row at a time; names are short.
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= Math.min(a.length, 64); i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
