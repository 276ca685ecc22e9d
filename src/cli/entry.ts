/** What bin/g8ufs.js runs. The daemon is started before the code of the command is looked at. */
export { dropExpectedDaemon, startDaemonEarly } from './early-daemon.ts';

/** @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const program = await import('./main.ts');
  return await program.main(argv);
}
