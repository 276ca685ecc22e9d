/** Results and records of the core protocol as values. What comes from Redis is checked like any input. Pure. */
import { z } from 'zod';
import { type ErrorCode, G8Error } from '../../base/errors.ts';

/** How a job has ended. */
export interface CoreResult {
  readonly id: string;
  readonly command: string;
  /** Text of the result; of a built-in command its value in JSON. */
  readonly data: string;
  /** What `data` is: 20 JSON, 21 YAML, 22 TOML; 0 when there was none. */
  readonly level: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Last critical message; empty when there was none. */
  readonly critical: string;
  readonly state: 'SUCCESS' | 'ERROR' | 'TIMEOUT' | 'UNKNOWN_CMD' | 'KILLED' | 'DUPILICATE_ID';
  /** 0; 1000 and the exit status of a process, 999 when a signal ended it; else as in HTTP. */
  readonly code: number;
  /** Milliseconds since 1970, of the last run. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly tags: readonly string[] | null;
  /** 0: the host. */
  readonly container: number;
}

/** Something that a job has said. */
export interface StreamRecord {
  /** 0: the host; else a container. */
  readonly core: number;
  /** Id of the job. */
  readonly job: string;
  readonly text: string;
  /** 1 stdout, 2 stderr, others as the protocol has them. */
  readonly level: number;
  /** Whether nothing follows. */
  readonly isEnd: boolean;
}

const resultSchema = z.object({
  id: z.string(),
  command: z.string(),
  data: z.string(),
  level: z.int(),
  streams: z.array(z.string()).nullish(),
  critical: z.string().nullish(),
  state: z.enum(['SUCCESS', 'ERROR', 'TIMEOUT', 'UNKNOWN_CMD', 'KILLED', 'DUPILICATE_ID']),
  code: z.int(),
  starttime: z.number(),
  time: z.number(),
  tags: z.array(z.string()).nullish(),
  container: z.int().nullish(),
});
const recordSchema = z.object({
  core: z.int(),
  command: z.string(),
  // The time is beyond what a number can hold exactly, and nobody needs it here.
  message: z.object({ message: z.string(), meta: z.int() }),
});

const JSON_LEVEL = 20;
const END_FLAGS = 0x6;
const LEVEL_SHIFT = 16;

/** Numbers of built-in commands that say more than that something failed. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'ERR_USAGE',
  404: 'ERR_NO_INPUT',
  503: 'ERR_STORE_UNAVAILABLE',
};

/** @throws ERR_PROTOCOL */
export function parseResult(text: string): CoreResult {
  const { streams, starttime, time, ...rest } = parse(resultSchema, text, 'result');
  return {
    ...rest,
    stdout: streams?.[0] ?? '',
    stderr: streams?.[1] ?? '',
    critical: rest.critical ?? '',
    startMs: starttime,
    durationMs: time,
    tags: rest.tags ?? null,
    container: rest.container ?? 0,
  };
}

/** @throws ERR_PROTOCOL */
export function parseRecord(text: string): StreamRecord {
  const { core, command, message } = parse(recordSchema, text, 'record');
  const { meta } = message;
  return {
    core,
    job: command,
    text: message.message,
    level: meta >>> LEVEL_SHIFT,
    isEnd: (meta & END_FLAGS) !== 0,
  };
}

/**
 * The value of a built-in command.
 *
 * @throws ERR_USAGE, ERR_NO_INPUT, ERR_STORE_UNAVAILABLE, ERR_IO with the number in the details as
 *   `commandCode`; ERR_PROTOCOL when it is no JSON
 */
export function commandValue<T>(result: CoreResult): T {
  if (result.state !== 'SUCCESS') throw failureOf(result);
  if (result.level !== JSON_LEVEL) {
    throw new G8Error('ERR_PROTOCOL', `The result of ${result.command} is no JSON`);
  }
  try {
    return JSON.parse(result.data) as T;
  } catch (error) {
    throw new G8Error('ERR_PROTOCOL', `The result of ${result.command} is no JSON`, {
      cause: error,
    });
  }
}

/** The error that a result without success is. */
export function failureOf(result: CoreResult): G8Error {
  const { command, state, code, id } = result;
  const details = { job: id, state, commandCode: code };
  if (state === 'UNKNOWN_CMD') {
    return new G8Error('ERR_USAGE', `The core daemon has no command ${command}`, { details });
  }
  const known = state === 'TIMEOUT' ? 'ERR_TIMEOUT' : (CODES[code] ?? 'ERR_IO');
  return new G8Error(known, `${command} failed: ${reasonOf(result)}`, { details });
}

function reasonOf({ data, stderr, critical, state, code }: CoreResult): string {
  const words = plainText(data) || critical || stderr.trim().split('\n').at(-1);
  return words || `${state} ${code}`;
}

/** Built-in commands say why as JSON text. */
function plainText(data: string): string {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'string' ? value : data;
  } catch {
    return data;
  }
}

function parse<T>(schema: z.ZodType<T>, text: string, what: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new G8Error('ERR_PROTOCOL', `The core daemon has sent a ${what} that makes no sense`, {
      cause: error,
    });
  }
}
