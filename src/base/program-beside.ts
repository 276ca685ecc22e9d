/** Finds programs of ours that are processes or threads of their own. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @param name of the file without its ending, in the folder of the caller
 * @param caller the caller's `import.meta.url`: compiled files end in `.js`, bundles in `.cjs`
 */
export function programBeside(name: string, caller: string): string {
  return fileURLToPath(new URL(`./${name}${extname(new URL(caller).pathname)}`, caller));
}
