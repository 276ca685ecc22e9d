/** The command document: what a client pushes on the queue, checked. Pure. */
import { G8Error } from '../../base/errors.ts';

export interface Command {
  readonly id: string;
  /** Name of the command. */
  readonly command: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Jobs of one queue run one after the other; `''`: none. */
  readonly queue: string;
  /** Seconds that one run may take; 0: no limit. */
  readonly maxTime: number;
  /** Runs of a failing job in all; 0 and 1 mean one. */
  readonly maxRestart: number;
  /** Seconds between the end of a run and the next; 0: it runs once. */
  readonly recurringPeriod: number;
  /** Whether its output goes to `stream:<id>`. */
  readonly stream: boolean;
  readonly tags: readonly string[] | null;
  /** Kept and shown, without effect. */
  readonly logLevels: readonly number[] | null;
  /** Kept and shown, without effect. */
  readonly statsInterval: number;
}

/** The client's file commands carry 512 KiB in Base64; a whole configuration of a container is smaller. */
const DOCUMENT_SIZE_MAX = 8 * 1024 * 1024;
/** Deeper arguments mean nothing to any command. */
const DEPTH_MAX = 64;
const NAME_LENGTH_MAX = 256;
const TAG_COUNT_MAX = 256;

/**
 * @param source JSON text as it came from the queue
 * @throws ERR_PROTOCOL naming what is wrong
 */
export function parseCommandText(source: string): Command {
  if (source.length > DOCUMENT_SIZE_MAX) throw wrong('document', 'is too large');
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw wrong('document', 'is no JSON');
  }
  return parseCommand(value);
}

/**
 * @param createId makes the id of a document without one, which is wrong otherwise
 * @throws ERR_PROTOCOL naming the field that is wrong
 */
export function parseCommand(value: unknown, createId?: () => string): Command {
  if (!isObject(value)) throw wrong('document', 'is no object');
  const field = (name: string) => (Object.hasOwn(value, name) ? (value[name] ?? null) : null);
  const args = field('arguments') ?? {};
  if (!isObject(args) || isDeeper(args, DEPTH_MAX)) throw wrong('arguments', 'are no object');
  const id = textOf(field('id'), 'id') || createId?.();
  if (id === undefined) throw wrong('id', 'is missing');
  return {
    id,
    command: textOf(field('command'), 'command'),
    arguments: args,
    queue: textOf(field('queue'), 'queue'),
    maxTime: countOf(field('max_time'), 'max_time'),
    maxRestart: countOf(field('max_restart'), 'max_restart'),
    recurringPeriod: countOf(field('recurring_period'), 'recurring_period'),
    stream: flagOf(field('stream'), 'stream'),
    tags: listOf<string>(field('tags'), 'tags', (each) => typeof each === 'string'),
    logLevels: listOf<number>(field('log_levels'), 'log_levels', Number.isSafeInteger),
    statsInterval: countOf(field('stats_interval'), 'stats_interval'),
  };
}

/** The document as `job.list` shows it. */
export function commandDocument(command: Command): Record<string, unknown> {
  return {
    id: command.id,
    command: command.command,
    arguments: command.arguments,
    queue: command.queue,
    stats_interval: command.statsInterval,
    max_time: command.maxTime,
    max_restart: command.maxRestart,
    recurring_period: command.recurringPeriod,
    stream: command.stream,
    log_levels: command.logLevels,
    tags: command.tags,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

function textOf(value: unknown, name: string): string {
  if (value === null) return '';
  if (typeof value !== 'string' || value.length > NAME_LENGTH_MAX) throw wrong(name, 'is no name');
  return value;
}

/** What is below zero means nothing, as zero. */
function countOf(value: unknown, name: string): number {
  if (value === null) return 0;
  if (!Number.isSafeInteger(value)) throw wrong(name, 'is no whole number');
  return Math.max(0, value as number);
}

function flagOf(value: unknown, name: string): boolean {
  if (value === null) return false;
  if (typeof value !== 'boolean') throw wrong(name, 'is neither true nor false');
  return value;
}

function listOf<T>(value: unknown, name: string, isItem: (each: unknown) => boolean): T[] | null {
  if (value === null) return null;
  const isList = Array.isArray(value) && value.length <= TAG_COUNT_MAX && value.every(isItem);
  if (!isList) throw wrong(name, 'is no such list');
  return value as T[];
}

function wrong(name: string, problem: string): G8Error {
  return new G8Error('ERR_PROTOCOL', `The command's ${name} ${problem}`);
}
