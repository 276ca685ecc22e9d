/** One run of a job, whatever it is that runs. */
import { raceAbort } from '../../base/abort.ts';
import { isG8Error } from '../../base/errors.ts';
import { commandFailure } from '../command/error.ts';
import type { CommandContext, CommandHandler, JobHandle } from '../command/registry.ts';
import { failureOutcome, LEVEL_JSON, type Outcome, successOutcome } from '../transport/result.ts';
import type { PlaceProcess } from './place.ts';

/** Flags of a message: its stream ends with it. */
export const END_SUCCESS = 2;
export const END_FAILURE = 4;

/** What a run is given by its job. */
export interface Run extends JobHandle {
  /** Hands over the process that signals of this run go to. */
  attach(process: PlaceProcess): void;
}

/** @returns how it ended; never rejects */
export type Runner = (run: Run) => Promise<Outcome>;

/** Runs a function of the daemon. Signals do nothing to it; when its time is up nobody waits for it any more. */
export function builtInRunner(
  handler: CommandHandler,
  context: Omit<CommandContext, 'job'>,
): Runner {
  return async (run) => {
    const outcome = await outcomeOf(handler, { ...context, job: run });
    run.emit(LEVEL_JSON, outcome.data, outcome.state === 'SUCCESS' ? END_SUCCESS : END_FAILURE);
    return outcome;
  };
}

async function outcomeOf(handler: CommandHandler, context: CommandContext): Promise<Outcome> {
  const { command, signal } = context.job;
  try {
    // In a promise of its own: what the handler throws at once is its failure too.
    const value = (async () => handler(command.arguments, context))();
    return successOutcome(await raceAbort(value, signal));
  } catch (error) {
    const outcome = failureOutcome(commandFailure(error));
    const isLate = isG8Error(signal.reason, 'ERR_TIMEOUT');
    return isLate ? { ...outcome, state: 'TIMEOUT' } : outcome;
  }
}
