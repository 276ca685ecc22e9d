/** A mount daemon in the foreground may do no more than one in the background. */
import type { Context } from './context.ts';

/**
 * Starts this program anew in its process, confined, where that can be done (src/fs/confine.ts) and has not been
 * done. To be called before anything is open or written. Does nothing in a test.
 *
 * @throws ERR_IO, ERR_ABORTED
 */
export async function confineProcess(
  context: Pick<Context, 'ownsProcess' | 'signal'>,
): Promise<void> {
  if (!context.ownsProcess) return;
  const { confined } = await import('../fs/confine.ts');
  const words = [...process.execArgv, ...process.argv.slice(1)];
  // A confined process may drop nothing more: the second time, this is the program itself.
  const [program, args] = confined(process.execPath, words);
  if (program === process.execPath) return;
  const { addon } = await import('../native/load.ts');
  context.signal.throwIfAborted();
  addon().replaceProcess(program, args);
}
