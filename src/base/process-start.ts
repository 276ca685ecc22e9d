/** When a process began: with its number, that names it for good, because numbers are used again. */
import { readFile } from 'node:fs/promises';

/**
 * Ticks since boot at which a process began, field 22 of /proc/PID/stat (proc(5)).
 *
 * @returns `undefined` when there is no such process, or only its remains
 */
export async function processStart(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // The name of the program, in parentheses, may hold anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}
