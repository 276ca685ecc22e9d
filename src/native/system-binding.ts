/** The part of the addon with system calls that Node has no function for. */
export interface SystemBinding {
  /** User id of whoever has connected, at that moment, over a Unix socket. @throws ERR_IO for what is none */
  peerUser(fd: number): number;
  /** The next read without a place begins behind all there is now. @throws ERR_IO */
  seekEnd(fd: number): void;
  /**
   * Writes a small file to the disk and removes it, on a thread of its own: takes as long as the disk does.
   *
   * @param path of a file that is not there
   * @throws ERR_CACHE_FULL, ERR_PERMISSION, ERR_IO
   */
  probeDisk(path: string): Promise<void>;
  /** Gives freed memory back to the kernel. @returns whether there was any; false where the C library cannot */
  trimMemory(): Promise<boolean>;
}
