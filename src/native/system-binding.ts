/** The part of the addon with system calls that Node has no function for. */
export interface SystemBinding {
  /** User id of whoever has connected, at that moment, over a Unix socket. @throws ERR_IO for what is none */
  peerUser(fd: number): number;
  /** The next read without a place begins behind all there is now. @throws ERR_IO */
  seekEnd(fd: number): void;
  /**
   * Runs another program in this process, with its environment and standard streams: execve(2). All else of this one
   * ends at once, without being told.
   *
   * @param program its path
   * @throws ERR_IO when it cannot be run
   */
  replaceProcess(program: string, args: readonly string[]): never;
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
