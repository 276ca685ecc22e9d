/** A mount as it was asked for, as it is served, and as it is listed. */
import { ownerOf, type Quota } from '../cache/quota.ts';
import type { OpenMode } from '../native/addon.ts';
import { shownSource } from '../store/http-url.ts';
import type { ChunkStore } from '../store/store.ts';
import type { ExplainedSession } from './driver.ts';
import type { Image } from './images.ts';
import type { Prefetch, PrefetchRequest, PrefetchStatus } from './prefetch.ts';
import type { HeldMount } from './takeover/keeper.ts';

/** A mount as it was asked for. Paths are absolute. */
export interface MountRequest {
  /** Path of a flist file, or its http(s) URL. */
  readonly source: string;
  readonly mountPoint: string;
  /** Store URLs, asked after the flist's own routes. */
  readonly stores: readonly string[];
  readonly deadlineMs: number;
  readonly openMode: OpenMode;
  readonly driver: 'native' | 'fuse-native';
  /** `auto` is the kernel tier where it can be had. */
  readonly tier: 'fuse' | 'kernel' | 'auto';
  readonly allowOther: boolean;
  /** Answer `user.g8ufs.*` even where the image has no xattrs and nobody would have to be asked. */
  readonly magicXattrs?: boolean;
  /** Raw public keys in Base64, one of which must have signed the image; absent: none has to. */
  readonly requireSignature?: readonly string[];
  /** Read-write with overlayfs on top; absent for a read-only mount. */
  readonly upper?: string;
  /** Work folder of that overlay; default the upper folder's name with `.work`, removed at the end. */
  readonly work?: string;
  /** What to fetch before it is asked for; absent: nothing. */
  readonly prefetch?: PrefetchRequest;
  /** Put on the image of another mount of the daemon, absent: on nothing. */
  readonly onto?: StackRequest;
  /** File to write a start profile to when the mount ends. */
  readonly record?: string;
  /** Bytes of the cache that what this source has brought may take; absent: no bound of its own. */
  readonly cacheQuota?: number;
  /** Who shares that bound, by a name of their own; absent: mounts of this source alone. */
  readonly quotaGroup?: string;
}

/** What a source is put on. Both must be allowed at the mount point. */
export interface StackRequest {
  /** Of a mount whose image was put on nothing itself. */
  readonly mountPoint: string;
  /** File that gets the flist of the two; the mount serves that. */
  readonly flist: string;
  /** Where the image of that mount is from; filled in by the daemon, for chunks that are to be had there alone. */
  readonly source?: string;
}

/** A mount as it is. */
export interface MountRecord {
  readonly mountPoint: string;
  readonly source: string;
  /** Digest of the packed flist in hex. */
  readonly image: string;
  readonly driver: ExplainedSession['driver'];
  readonly tier: ExplainedSession['tier'];
  /** Why `auto` did not take the kernel tier. */
  readonly fallback: string | null;
  readonly passthrough: boolean;
  readonly upper: string | null;
  /** ISO 8601. */
  readonly since: string;
  readonly stats: Readonly<Record<string, number>>;
  readonly prefetch: PrefetchStatus | null;
  /** Where the start profile goes that is being recorded. */
  readonly record: string | null;
  /** Bytes of the cache that what its source has brought may take; `null`: no bound of its own. */
  readonly cacheQuota: number | null;
  /** Sources that share this bound; `null`: it is that of its source alone. */
  readonly quotaGroup: string | null;
  /** A keeper holds it: it outlives this daemon. */
  readonly kept: boolean;
  /** Its daemon has died, and it is not served again yet: its users wait. */
  readonly restoring: boolean;
  /** Why nobody serves it since its daemon died; `null` for every mount that works. */
  readonly quarantine: { readonly code: string; readonly message: string } | null;
}

/** A mount as whoever explains it sees it. */
export interface ServedMount {
  readonly request: MountRequest;
  readonly image: Image;
  readonly session: ExplainedSession;
  readonly store: ChunkStore;
  readonly since: Date;
  readonly prefetch: Prefetch | undefined;
  /** What a keeper holds of it. */
  readonly held: HeldMount | undefined;
  /** Why the kernel tier was not taken although it was preferred. */
  readonly fallback: string | undefined;
}

/** What its contents may take of the cache. Mounts of one source have one bound: that of whoever fetches. */
export function quotaOf(request: MountRequest): Quota | undefined {
  if (request.cacheQuota === undefined) return undefined;
  return { owner: ownerOf(quotaName(request)), bytesMax: request.cacheQuota };
}

/** Who has the bound, as it is shown. */
export function quotaName({ source, quotaGroup }: MountRequest): string {
  return quotaGroup ?? shownSource(source);
}

/** What `list` tells of a mount. */
export function recordOf(mount: ServedMount): MountRecord {
  const { request, image, session, since, prefetch, fallback } = mount;
  return {
    mountPoint: request.mountPoint,
    source: shownSource(request.source),
    image: image.digest,
    driver: session.driver,
    tier: session.tier,
    fallback: fallback ?? null,
    passthrough: session.passthrough,
    upper: request.upper ?? null,
    since: since.toISOString(),
    stats: session.stats(),
    prefetch: prefetch?.status() ?? null,
    record: request.record ?? null,
    cacheQuota: request.cacheQuota ?? null,
    quotaGroup: request.quotaGroup ?? null,
    kept: mount.held !== undefined,
    restoring: false,
    quarantine: null,
  };
}
