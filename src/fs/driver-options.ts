/** How a driver serves a mount that was asked for. Loaded early (takeover/early-sessions.ts): imports nothing. */
import type { DriverOptions } from './driver.ts';
import type { MountRequest } from './mount-record.ts';

/** @param mountPoint of the connection: where users see it, or where the overlay finds it */
export function driverOptions(
  request: MountRequest,
  indexDir: string,
  mountPoint: string,
): DriverOptions {
  const { upper } = request;
  return {
    mountPoint,
    shownAt: request.mountPoint,
    indexDir,
    source: sourceName(request.source),
    allowOther: request.allowOther,
    openMode: request.openMode,
    deadlineMs: request.deadlineMs,
    recordTouches: request.record !== undefined,
    // An overlay on top shows the attributes of its layers as its own: these are none of the image's.
    magicXattrs: upper !== undefined ? 'off' : request.magicXattrs === true ? 'on' : 'auto',
  };
}

/** Shown in /proc/mounts: enough to recognise an image, and never a URL's credentials. */
export function sourceName(source: string): string {
  const path = source.split(/[?#]/, 1)[0] ?? '';
  return (
    path
      .split('/')
      .filter((name) => name !== '')
      .at(-1) ?? 'g8ufs'
  );
}
