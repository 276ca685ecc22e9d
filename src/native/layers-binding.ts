/** An overlay of a metadata image and folders that have contents. */
export interface OverlayMount {
  /** Where the metadata image is mounted. */
  readonly metadata: string;
  /** Folders that have contents by the paths in the metadata, asked in this order. */
  readonly data: readonly string[];
  /** Folder that keeps changes; absent for a read-only mount. */
  readonly upper?: string;
  /** With `upper`: empty folder of the same file system. */
  readonly work?: string;
  /** Source name shown in /proc/mounts. */
  readonly source: string;
  readonly target: string;
}

/** A mount that becomes the root of processes which have one. */
export interface RootReplacement {
  /** Path of their mount namespace, which may be one in `/proc/self/fd`. None of its processes may run meanwhile. */
  readonly namespace: string;
  /** Where the mount is here; it stays. */
  readonly root: string;
  /** Mount points directly below the old root that come along, as the processes see them; each once. */
  readonly carried: readonly string[];
}

/** An upper folder that is to be settled. */
export interface UpperSettlement {
  readonly upper: string;
  /** Where the overlay is mounted. */
  readonly merged: string;
  /**
   * Whether somebody may change the overlay meanwhile. Then files only get their contents, and what cannot be settled is
   * left to a walk when nobody does.
   */
  readonly live: boolean;
  /** Between two files the walk ends when this has passed. */
  readonly timeoutMs: number;
}

/** The part of the addon that mounts with the kernel's own file systems. Needs root. */
export interface LayersBinding {
  /**
   * Mounts an EROFS image read-only, straight from its file (Linux 6.12). The kernel trusts what it
   * reads: only for images that were made or verified here.
   *
   * @throws ERR_NO_INPUT, ERR_PERMISSION, ERR_MOUNT with the kernel's reason
   */
  mountImage(image: string, target: string): Promise<void>;
  /** @throws ERR_NO_INPUT, ERR_PERMISSION, ERR_MOUNT with the kernel's reason */
  mountOverlay(options: OverlayMount): Promise<void>;
  /**
   * Unmounts what is on top at a path; no failure when nothing is.
   *
   * @throws ERR_MOUNT when it is busy and not `lazy`; ERR_PERMISSION
   */
  unmountPath(path: string, options: { lazy: boolean }): Promise<void>;
  /**
   * Gives processes another root. What they have open stays as it is, and so does a working directory below the old
   * root. On failure everything is as before, unless the message says that something cannot be taken back.
   *
   * @throws ERR_NO_INPUT when the namespace is gone, or the new root has no place for what is carried;
   *   ERR_PERMISSION, ERR_MOUNT with the kernel's reason
   */
  replaceRoot(options: RootReplacement): Promise<void>;
  /**
   * Makes the upper folder of an overlay fit for another one with other layers below: every file in it has its own
   * contents afterwards.
   *
   * @throws ERR_IO for more than 256 folders in one another, and for a file that is executed and whose contents are not here;
   *   ERR_TIMEOUT, ERR_CACHE_FULL, ERR_PERMISSION
   */
  settleUpper(options: UpperSettlement): Promise<void>;
}
