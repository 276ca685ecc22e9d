/**
 * What a mount driver is: the one interface behind which the native driver and the portable one
 * (`fuse-native`) show the same tree.
 */
import type { ContentsReader } from '../format/index/contents-reader.ts';
import type { OpenedFile, OpenMode } from '../native/addon.ts';
import type { CloseOptions } from '../native/session-binding.ts';
import type { Foresight } from './foresight/foresight.ts';
import type { MissLog } from './miss-log.ts';

export interface DriverOptions {
  readonly mountPoint: string;
  /** Where users see it: the mount point, or that of the overlay on top. */
  readonly shownAt: string;
  /** Folder with the mount index. */
  readonly indexDir: string;
  /** Shown in /proc/mounts. */
  readonly source: string;
  readonly allowOther: boolean;
  readonly openMode: OpenMode;
  readonly deadlineMs: number;
  /** Notes what is touched, in the order of the first time; costs passthrough. */
  readonly recordTouches: boolean;
  /** The mount shall outlive this process. */
  readonly keep?: boolean;
  /** Number of a held mount to go on with, instead of making one. */
  readonly adopt?: number;
  /** Whether `user.g8ufs.*` is answered; see the addon's option of this name. */
  readonly magicXattrs: 'off' | 'auto' | 'on';
}

/** A served mount. */
export interface DriverSession {
  /** What this driver is called in `g8ufs ps`. */
  readonly driver: 'native' | 'fuse-native';
  /** Whether the tree is a FUSE mount, or the kernel's own file systems show it. */
  readonly tier: 'fuse' | 'kernel';
  /** Whether complete files are read by the kernel without asking this process. */
  readonly passthrough: boolean;
  /** The addon's number of its connection, when a keeper can hold that. */
  readonly connection?: number;
  /** Minor device number of its mount, in the native driver. */
  readonly device?: number;
  /** Whether it is still mounted, for one whose end nobody tells. */
  isThere?(): boolean;
  /** Counters, flat, in the driver's own words. */
  stats(): Record<string, number>;
  /** What was noted, also after the end; see `OpenedSession.touches`. */
  touches?(): Uint32Array;
  /** Requests of the kernel so far, by operation. */
  requests(): Readonly<Record<string, number>>;
  /** Files opened since the last call while somebody watches; see the addon's `sessionOpens`. */
  opens(watch: boolean): OpenedFile[];
  /** Unmounts and ends all threads; idempotent. */
  close(options: CloseOptions): Promise<void>;
}

/** A served mount, and what explains it. */
export interface ExplainedSession extends DriverSession {
  readonly contents: ContentsReader;
  readonly misses: MissLog;
  /** Guesses what is read next, once it is started. */
  readonly foresight?: Foresight;
}
