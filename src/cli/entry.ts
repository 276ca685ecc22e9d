/** What bin/g8ufs.js runs. The daemon is asked, or started, before the code of the command is looked at. */
import { beginEarly } from './early-daemon.ts';

export { dropExpected, isDaemonStarting } from './early-daemon.ts';

/** @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  await beginEarly(argv, process.env);
  const program = await import('./main.ts');
  return await program.main(argv);
}
