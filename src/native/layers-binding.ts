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
  /** Path of their mount namespace. None of its processes may run meanwhile. */
  readonly namespace: string;
  /** Where the mount is here; it stays. */
  readonly root: string;
  /** Mount points directly below the old root that come along, as the processes see them; each once. */
  readonly carried: readonly string[];
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
   * root. On failure everything is as before.
   *
   * @throws ERR_NO_INPUT when the namespace is gone, or the new root has no place for what is carried;
   *   ERR_PERMISSION, ERR_MOUNT with the kernel's reason
   */
  replaceRoot(options: RootReplacement): Promise<void>;
  /**
   * Makes the upper folder of an overlay fit for another one with other layers below: every file in it has its own
   * contents afterwards. Nobody may change the overlay meanwhile.
   *
   * @param merged where that overlay is mounted
   * @throws ERR_IO for more than 256 folders in one another, and for a file that is executed and whose contents are not here;
   *   ERR_CACHE_FULL, ERR_PERMISSION
   */
  settleUpper(upper: string, merged: string): Promise<void>;
}
