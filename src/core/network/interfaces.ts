/** Names of the interfaces in the network namespace of this process, without a child process. */
import { readFile } from 'node:fs/promises';

/** /proc/net/dev also follows a namespace that /sys/class/net, mounted earlier, does not show. */
const PATH = '/proc/self/net/dev';
const HEADER_LINES = 2;

export async function interfaceNames(): Promise<Set<string>> {
  const lines = (await readFile(PATH, 'latin1')).split('\n').slice(HEADER_LINES);
  return new Set(lines.map((line) => line.slice(0, line.indexOf(':')).trim()).filter(Boolean));
}
