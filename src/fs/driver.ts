/**
 * What a mount driver is: the one interface behind which the native driver and the portable one
 * (`fuse-native`) show the same tree.
 */
import type { OpenMode } from '../native/addon.ts';

export interface DriverOptions {
  readonly mountPoint: string;
  /** Folder with the mount index. */
  readonly indexDir: string;
  /** Shown in /proc/mounts. */
  readonly source: string;
  readonly allowOther: boolean;
  readonly openMode: OpenMode;
  readonly deadlineMs: number;
  /** Notes what is touched, in the order of the first time; costs passthrough. */
  readonly recordTouches: boolean;
}

/** A served mount. */
export interface DriverSession {
  /** What this driver is called in `g8ufs ps`. */
  readonly driver: 'native' | 'fuse-native';
  /** Whether complete files are read by the kernel without asking this process. */
  readonly passthrough: boolean;
  /** Counters, flat, in the driver's own words. */
  stats(): Record<string, number>;
  /** What was noted, also after the end; see `OpenedSession.touches`. */
  touches?(): Uint32Array;
  /** Unmounts and ends all threads; idempotent. */
  close(options: { lazy: boolean }): Promise<void>;
}
