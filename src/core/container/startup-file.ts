/**
 * The services that an image wants to be started: `/.startup.toml`, hostile text in, checked values out. Pure.
 */
import { parse } from 'smol-toml';
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';

/** Where it is in a root, and how large it may be in bytes. */
export const STARTUP_FILE = '/.startup.toml';
export const STARTUP_SIZE_MAX = 256 * 1024;
const SERVICES_MAX = 256;
const DEPTH_MAX = 16;
const CONDITION_LENGTH_MAX = 1024;
const REPEATS_MAX = 3;
/** Characters of a message that `running_match` looks at. */
export const MATCH_LENGTH_MAX = 512;
/** A service that has not ended after this many seconds runs. */
const RUNNING_DELAY_S = 2;

/** Steps of a machine's start, which a container has behind it. */
const MILESTONES: readonly string[] = ['init', 'net', 'boot'];

export interface Service {
  readonly key: string;
  /** Name of a command, and its arguments. */
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Keys of services that have to run first; steps of a machine's start are left out. */
  readonly after: readonly string[];
  /** Seconds without an end until it counts as running; negative: only a successful end does. */
  readonly runningDelayS: number;
  /** It counts as running when an output message matches; wins over the delay. */
  readonly runningMatch: RegExp | undefined;
  readonly recurringPeriod: number;
  readonly maxRestart: number;
  readonly isProtected: boolean;
  readonly tags: readonly string[] | null;
}

/** What `{NAME}` and conditions mean: the container's environment first, then the kernel's command line. */
export interface StartupVariables {
  readonly env: Readonly<Record<string, string>>;
  /** Text of /proc/cmdline. */
  readonly kernel: string;
}

const count = z.number().int().min(0).default(0);
const serviceSchema = z.object({
  name: z.string().min(1),
  args: z.record(z.string(), z.unknown()).default({}),
  after: z.array(z.string()).default(['boot']),
  condition: z.string().max(CONDITION_LENGTH_MAX).default(''),
  running_delay: z.number().int().default(0),
  running_match: z.string().max(CONDITION_LENGTH_MAX).default(''),
  recurring_period: count,
  max_restart: count,
  protected: z.boolean().default(false),
  tags: z.array(z.string()).nullable().default(null),
});
const fileSchema = z.object({ startup: z.record(z.string(), serviceSchema).default({}) });

/** @throws ERR_USAGE naming what is wrong */
export function parseStartupFile(text: string, variables: StartupVariables): Service[] {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const line = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new G8Error('ERR_USAGE', `Startup file is no TOML: ${line}`, { cause: error });
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw wrong(`has a wrong value at ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const entries = Object.entries(parsed.data.startup);
  if (entries.length > SERVICES_MAX) throw wrong(`has more than ${SERVICES_MAX} services`);
  const known = kernelVariables(variables.kernel);
  return entries
    .filter(([, { condition }]) => holds(condition, (name) => known.has(name)))
    .map(([key, service]) => ({
      key,
      name: service.name,
      args: fill(service.args, variables.env, known, 0) as Record<string, unknown>,
      after: service.after.filter((name) => !MILESTONES.includes(name)),
      runningDelayS: service.running_delay || RUNNING_DELAY_S,
      runningMatch: service.running_match === '' ? undefined : pattern(service.running_match),
      recurringPeriod: service.recurring_period,
      maxRestart: service.max_restart,
      isProtected: service.protected,
      tags: service.tags,
    }));
}

/** Replaces `{NAME}` in texts, and drops keys `condition|key` whose condition does not hold. */
function fill(
  value: unknown,
  env: Readonly<Record<string, string>>,
  kernel: ReadonlyMap<string, string>,
  depth: number,
): unknown {
  if (depth > DEPTH_MAX) throw wrong('is nested too deeply');
  const inner = (each: unknown): unknown => fill(each, env, kernel, depth + 1);
  if (typeof value === 'string') {
    return value.replace(/\{(\w+)\}/g, (whole, name: string) =>
      Object.hasOwn(env, name) ? (env[name] as string) : (kernel.get(name) ?? whole),
    );
  }
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  const isSet = (name: string): boolean =>
    Object.hasOwn(env, name) ? isTrue(env[name] as string) : kernel.has(name);
  const entries = Object.entries(value).flatMap(([key, each]) => {
    const bar = key.lastIndexOf('|');
    if (bar >= 0 && !holds(key.slice(0, bar), isSet)) return [];
    return [[key.slice(bar + 1), inner(each)]];
  });
  return Object.fromEntries(entries);
}

function isTrue(text: string): boolean {
  return !['', '0', 'false', 'no', 'off'].includes(text.toLowerCase());
}

function kernelVariables(text: string): Map<string, string> {
  const words = text.trim().split(/\s+/);
  return new Map(
    words.map((word) => {
      const [name = '', ...rest] = word.split('=');
      return [name, rest.join('=')];
    }),
  );
}

/** `name`, `and(…)`, `or(…)`, `not(…)`; empty holds. @throws ERR_USAGE for anything else */
function holds(condition: string, isSet: (name: string) => boolean): boolean {
  const words = condition.match(/[(),]|[^\s(),]+/g) ?? [];
  if (words.length === 0) return true;
  let at = 0;
  const expression = (depth: number): boolean => {
    const word = words[at++];
    if (word === undefined || /[(),]/.test(word) || depth > DEPTH_MAX) throw malformed(condition);
    if (words[at] !== '(') return isSet(word);
    at++;
    const values = [expression(depth + 1)];
    while (words[at] === ',') {
      at++;
      values.push(expression(depth + 1));
    }
    if (words[at++] !== ')') throw malformed(condition);
    if (word === 'and') return values.every(Boolean);
    if (word === 'or') return values.some(Boolean);
    if (word === 'not' && values.length === 1) return values[0] !== true;
    throw malformed(condition);
  };
  const value = expression(0);
  if (at < words.length) throw malformed(condition);
  return value;
}

/**
 * Images are hostile, and JavaScript's patterns can take for ever: repeats of groups, references back and more than a few
 * repeats are refused, and only the beginning of a message is looked at.
 */
function pattern(text: string): RegExp {
  const repeats = text.match(/[*+{]/g)?.length ?? 0;
  if (/\)[*+?{]|\\[1-9k]/.test(text) || repeats > REPEATS_MAX) {
    throw wrong(`has a pattern that repeats too much: ${text}`);
  }
  try {
    return new RegExp(text);
  } catch (error) {
    throw new G8Error('ERR_USAGE', `Startup file has no valid pattern: ${text}`, {
      cause: error,
    });
  }
}

function malformed(condition: string): G8Error {
  return wrong(`has a condition that cannot be understood: ${condition}`);
}

function wrong(problem: string): G8Error {
  return new G8Error('ERR_USAGE', `Startup file ${problem}`);
}
