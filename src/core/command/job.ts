/** `job.*`: the jobs of a place. */
import { type Arguments, integer, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';

const SIGTERM = 15;
const SIGNAL_MAX = 64;

export const JOB: Readonly<Record<string, CommandHandler>> = {
  'job.list': async (args, { jobs }) => {
    const id = text(args, 'id', '');
    if (id === '') return jobs.list();
    const found = await jobs.list(id);
    if (found.length === 0) throw new CommandError(500, `no job with id '${id}'`);
    return found;
  },

  'job.kill': async (args, { jobs }) => jobs.kill(text(args, 'id'), signalOf(args)),

  'job.unschedule': async (args, { jobs }) => jobs.unschedule(text(args, 'id')),

  'job.killall': async (_args, { jobs }) => {
    jobs.killAll();
    return true;
  },
};

/** 0 and none are SIGTERM. */
function signalOf(args: Arguments): number {
  const signal = integer(args, 'signal', 0) || SIGTERM;
  if (signal < 1 || signal > SIGNAL_MAX)
    throw new CommandError(400, `there is no signal ${signal}`);
  return signal;
}
