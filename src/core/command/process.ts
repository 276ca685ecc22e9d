/** `process.*`: the processes that a place sees, whoever has started them. */

import { readProcesses } from '../fact/read-facts.ts';
import { killProcess } from '../guest/files.ts';
import { integer } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';

const SIGTERM = 15;
const SIGNAL_MAX = 64;

export const PROCESS: Readonly<Record<string, CommandHandler>> = {
  'process.list': async (args, { guest }) => {
    const pid = integer(args, 'pid', 0);
    const found = await readProcesses(guest, pid === 0 ? undefined : pid);
    if (pid !== 0 && found.length === 0) throw new CommandError(500, `no process ${pid}`);
    return found;
  },

  'process.kill': async (args, { guest }) => {
    const pid = integer(args, 'pid');
    const signal = integer(args, 'signal', SIGTERM);
    if (pid <= 1) throw new CommandError(500, `process ${pid} is not to be killed`);
    if (signal < 0 || signal > SIGNAL_MAX)
      throw new CommandError(400, `there is no signal ${signal}`);
    await killProcess(guest, pid, signal);
  },
};
