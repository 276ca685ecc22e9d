/**
 * Tells when a container's first process has ended. Where the kernel keeps a file that says so (cgroup version 2)
 * nothing is asked in between; elsewhere the process is looked at once a second.
 */
import { type FSWatcher, watch } from 'node:fs';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

const LOOK_INTERVAL_MS = 1_000;

export interface EndWatch {
  /** Ends the watch; `onEnd` is not called any more. */
  close(): void;
}

/**
 * @param eventsFile `cgroup.events` of the container's group, where there is one
 * @param onEnd called once, never before this function has returned
 */
export function watchEnd(
  init: ProcessIdentity,
  eventsFile: string | undefined,
  onEnd: () => void,
): EndWatch {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  const close = (): void => {
    watcher?.close();
    clearInterval(timer);
    watcher = undefined;
    timer = undefined;
  };
  const look = (): void => {
    // Closed between the event and this call.
    if (watcher === undefined && timer === undefined) return;
    if (isAlive(init)) return;
    close();
    onEnd();
  };
  const poll = (): void => {
    timer = setInterval(look, LOOK_INTERVAL_MS);
    timer.unref();
  };
  try {
    if (eventsFile === undefined) {
      poll();
    } else {
      watcher = watch(eventsFile, look);
      watcher.on('error', () => {
        watcher?.close();
        watcher = undefined;
        poll();
      });
    }
  } catch {
    // The group is gone already, or there are no watches left on this machine.
    poll();
  }
  // It may have ended before anybody watched.
  setImmediate(look);
  return { close };
}
