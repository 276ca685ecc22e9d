/** Where a program is. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

/**
 * The first file that can be run. An absolute name is looked for there only.
 *
 * @param folders in the order in which they are asked; empty ones are passed over
 */
export async function findProgram(
  name: string,
  folders: readonly string[],
): Promise<string | undefined> {
  const places = isAbsolute(name)
    ? [name]
    : folders.filter((folder) => folder !== '').map((folder) => join(folder, name));
  for (const place of places) {
    if (await isProgram(place)) return place;
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
