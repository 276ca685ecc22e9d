/** A run that is an external process: its start, its input, its output with levels, its end. */

import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { isG8Error } from '../../base/errors.ts';
import { CommandError, commandFailure } from '../command/error.ts';
import type { ProcessPlan } from '../command/registry.ts';
import type { Outcome } from '../transport/result.ts';
import { MessageTail } from './message-tail.ts';
import { type Message, OutputParser } from './output.ts';
import type { Place, PlaceProcess, ProcessEnd } from './place.ts';
import { END_FAILURE, END_SUCCESS, type Run, type Runner } from './runner.ts';

const LEVEL_STDOUT = 1;
const LEVEL_STDERR = 2;
const LEVEL_CRITICAL = 9;
/** JSON, YAML, TOML, HRD and a whole job: the last message of one of them is the job's result. */
const RESULT_LEVELS: ReadonlySet<number> = new Set([20, 21, 22, 23, 30]);

const SIGKILL = 9;
const CODE_SIGNAL = 999;
const CODE_STATUS = 1000;

/** @param plan called for each run */
export function processRunner(place: Place, plan: () => ProcessPlan): Runner {
  return async (run) => {
    const outcome = await runProcess(place, plan, run);
    if (outcome.state === 'SUCCESS') run.emit(LEVEL_STDOUT, '', END_SUCCESS);
    else run.emit(LEVEL_STDERR, '', END_FAILURE);
    return outcome;
  };
}

async function runProcess(place: Place, plan: () => ProcessPlan, run: Run): Promise<Outcome> {
  let process: PlaceProcess;
  let stdin: string;
  try {
    const request = plan();
    stdin = request.stdin;
    process = await place.start({ ...request, stdin: stdin === '' ? 'null' : 'pipe' });
  } catch (error) {
    return startFailure(error);
  }
  const stopped = (): void => {
    process.kill(SIGKILL);
    if (isLate(run)) return;
    // The daemon goes away: who has left the group and holds the output is not waited for.
    process.stdout.destroy();
    process.stderr.destroy();
  };
  run.signal.addEventListener('abort', stopped, { once: true });
  if (run.signal.aborted) stopped();
  run.attach(process);
  process.stdin?.end(stdin);
  const collected = new CollectedOutput(run);
  // The job lives as long as anybody holds its output open.
  const [end] = await Promise.all([
    process.exited,
    collected.read(process.stdout, LEVEL_STDOUT),
    collected.read(process.stderr, LEVEL_STDERR),
  ]);
  run.signal.removeEventListener('abort', stopped);
  return collected.outcome(end, isLate(run));
}

function isLate(run: Run): boolean {
  return isG8Error(run.signal.reason, 'ERR_TIMEOUT');
}

/** Neither arguments nor output were of any use: the text is told as it is. */
function startFailure(error: unknown): Outcome {
  const { code, message } = commandFailure(error);
  if (error instanceof CommandError && code === 400) {
    return { state: 'ERROR', code, data: JSON.stringify(message), level: 20 };
  }
  return { state: 'ERROR', code, data: message, level: 0 };
}

/** Gives the messages of a process out and keeps what belongs into its result. */
class CollectedOutput {
  readonly #run: Run;
  readonly #stdout = new MessageTail();
  readonly #stderr = new MessageTail();
  #result: Message | undefined;
  #critical: string | undefined;

  constructor(run: Run) {
    this.#run = run;
  }

  async read(stream: Readable, level: number): Promise<void> {
    const decoder = new StringDecoder('utf8');
    const parser = new OutputParser(level, (message) => this.#take(message));
    stream.on('data', (bytes: Buffer) => parser.push(decoder.write(bytes)));
    // A pipe that breaks has ended.
    await finished(stream, { writable: false }).catch(() => {});
    parser.push(decoder.end());
    parser.end();
  }

  outcome(end: ProcessEnd, wasLate: boolean): Outcome {
    const isSuccess = end.status === 0;
    const status = end.status === null ? CODE_SIGNAL : CODE_STATUS + end.status;
    return {
      state: isSuccess ? 'SUCCESS' : wasLate ? 'TIMEOUT' : 'ERROR',
      code: isSuccess ? 0 : status,
      data: this.#result?.text ?? '',
      level: this.#result?.level ?? 0,
      streams: [this.#stdout.toString(), this.#stderr.toString()],
      ...(this.#critical === undefined ? {} : { critical: this.#critical }),
    };
  }

  #take(message: Message): void {
    const { level, text } = message;
    if (level === LEVEL_STDOUT) this.#stdout.push(text);
    else if (level === LEVEL_STDERR) this.#stderr.push(text);
    else if (level === LEVEL_CRITICAL) this.#critical = text;
    else if (RESULT_LEVELS.has(level)) this.#result = message;
    this.#run.emit(level, text);
  }
}
