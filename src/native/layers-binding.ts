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
}
