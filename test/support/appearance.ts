/** Waits for files that another process makes, without polling. */
import { readdirSync, watch } from 'node:fs';

/** Far above what a process needs to come so far on a busy machine. */
const TIMEOUT_MS = 60_000;

/** Ends when a name of the folder matches. */
export async function appearance(folder: string, name: RegExp): Promise<string> {
  return await new Promise((resolve, reject) => {
    const look = (): void => {
      const found = readdirSync(folder).find((one) => name.test(one));
      if (found === undefined) return;
      clearTimeout(timer);
      watcher.close();
      resolve(found);
    };
    const watcher = watch(folder, look);
    const timer = setTimeout(() => {
      watcher.close();
      reject(new Error(`${folder} gets no ${name}`));
    }, TIMEOUT_MS);
    look();
  });
}
