/**
 * The settings of flists that tools know: their shape, and the text they are stored as. Whatever stands
 * under another key is free text. Pure.
 */
import { G8Error } from '../../base/errors.ts';

const KNOWN_KEYS = ['entrypoint', 'environ', 'port', 'volume', 'backend', 'readme'] as const;
export type KnownKey = (typeof KNOWN_KEYS)[number];

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

const PORT_MAX = 65535;
/** Shown instead of a secret. */
const MASK = '***';
const SECRETS = ['password', 'token'];

export function isKnownKey(key: string): key is KnownKey {
  return (KNOWN_KEYS as readonly string[]).includes(key);
}

/** JSON with the blanks that historical tools write: `{"a": [1, 2]}`. */
export function formatSetting(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(formatSetting).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value as JsonObject).map(
    ([key, member]) => `${JSON.stringify(key)}: ${formatSetting(member)}`,
  );
  return `{${members.join(', ')}}`;
}

/**
 * The value that a known key has.
 *
 * @throws ERR_USAGE when the text is no JSON of that key's shape
 */
export function parseSetting(key: KnownKey, text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new G8Error('ERR_USAGE', `Value of ${key} is no JSON`);
  }
  const problem = problemOf(key, value);
  if (problem !== undefined) throw new G8Error('ERR_USAGE', `Value of ${key} ${problem}`);
  return value;
}

/** What is wrong with a value of a known key. */
export function problemOf(key: KnownKey, value: Json): string | undefined {
  if (key === 'entrypoint') {
    const isArgv = Array.isArray(value) && value.every((word) => typeof word === 'string');
    return isArgv && value.length > 0 ? undefined : 'is no list of words';
  }
  if (!isObject(value)) return 'is no object';
  for (const [name, member] of Object.entries(value)) {
    const problem = MEMBERS[key](name, member);
    if (problem !== undefined) return `${problem}: ${JSON.stringify(name)}`;
  }
  if (key === 'backend' && typeof value['host'] !== 'string') return 'has no host';
  return undefined;
}

const MEMBERS: Readonly<
  Record<Exclude<KnownKey, 'entrypoint'>, (name: string, value: Json) => string | undefined>
> = {
  environ: (name, value) => {
    if (name === '' || /[=\0]/.test(name)) return 'has a name that no variable can have';
    return typeof value === 'string' ? undefined : 'has a variable that is no text';
  },
  port: (name, value) => {
    const port = /^(?:tcp|udp)\/(\d{1,5})$/.exec(name)?.[1];
    if (port === undefined || !isPort(Number(port)))
      return 'has a port that is not PROTOCOL/NUMBER';
    return isPort(value) ? undefined : 'has a port without a number from 1 to 65535';
  },
  volume: (name, value) => {
    if (!name.startsWith('/')) return 'has a volume that is no absolute path';
    const { host, ...others } = isObject(value) ? value : { host: 0, other: 0 };
    const isPlain = Object.keys(others).length === 0;
    return isPlain && (host === undefined || typeof host === 'string')
      ? undefined
      : 'has a volume that is neither {} nor {"host": path}';
  },
  backend: (name, value) => {
    if (name === 'port') return value === 0 || isPort(value) ? undefined : 'has a bad port';
    const texts = ['host', 'namespace', 'password', 'socket', 'token'];
    if (!texts.includes(name)) return 'has an unknown member';
    return typeof value === 'string' ? undefined : 'has a member that is no text';
  },
  readme: (name, value) => {
    if (name !== 'readme' && name !== 'license') return 'has an unknown member';
    return typeof value === 'string' ? undefined : 'has a member that is no text';
  },
};

/** The stored text without its secrets, for people to see. */
export function maskSetting(key: string, text: string): string {
  if (key !== 'backend') return text;
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    // It may hold anything, in any form.
    return MASK;
  }
  if (!isObject(value)) return MASK;
  const members = Object.entries(value).map(([name, member]): [string, Json] =>
    SECRETS.includes(name) ? [name, MASK] : [name, member],
  );
  return formatSetting(Object.fromEntries(members));
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPort(value: Json): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= PORT_MAX;
}
