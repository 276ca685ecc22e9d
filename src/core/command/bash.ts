/** `bash`: a script for the shell that is called `sh` where the job runs. */
import { text } from './arguments.ts';
import type { ProcessCommand } from './registry.ts';

export const BASH: Readonly<Record<string, ProcessCommand>> = {
  bash: {
    isPidShown: false,
    plan: (args) => ({
      argv: ['sh', '-c', text(args, 'script')],
      cwd: '',
      env: {},
      stdin: text(args, 'stdin', ''),
    }),
  },
};
