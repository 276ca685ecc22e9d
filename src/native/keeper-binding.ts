/** What a keeper has of a mount whose daemon is gone. */
export interface HeldEntry {
  readonly id: number;
  /** How often a daemon has begun to restore it since that last succeeded. */
  readonly attempts: number;
  /** The connection to the kernel is there: `openSession` can adopt it. */
  readonly hasDevice: boolean;
  /** What was handed over as `state`. */
  readonly state: string;
}

/**
 * The keeper of this process's mounts (`g8ufs-keeper`): a small process that holds what they need to outlive
 * the daemon, and starts its successor. Calls take microseconds, and 5 s when the keeper hangs.
 */
export interface KeeperBinding {
  /**
   * Connects to the keeper that listens at a path, as the only daemon it has.
   *
   * @returns what it holds; `undefined` when no keeper listens there
   * @throws ERR_CACHE_LOCKED while another daemon is connected; ERR_PERMISSION, ERR_IO
   */
  keeperConnect(path: string): Promise<HeldEntry[] | undefined>;
  /**
   * Lets the keeper hold a mount from now on, or takes over another state.
   *
   * @param state without NUL, 2 MiB at most; it never reaches a disk
   * @param session its connection; absent: the state alone
   * @throws ERR_MOUNT when the session is not kept; ERR_IO when the keeper is gone
   */
  keeperHold(id: number, state: string, session?: number): Promise<void>;
  /** Lets go of a mount's connection, which ends unless this process has it, and keeps the state. */
  keeperGiveUp(id: number, state: string): Promise<void>;
  /**
   * `drop`: nothing of the mount is held any more. `restoring`, `restored`: see {@link HeldEntry.attempts}.
   * `goodbye`: lets go of everything. `handover`: another daemon comes
   * when this process has ended.
   *
   * @throws ERR_IO when the keeper is gone
   */
  keeperTell(
    what: 'drop' | 'restoring' | 'restored' | 'goodbye' | 'handover',
    id?: number,
  ): Promise<void>;
  /**
   * All that could be restored is: this daemon works. May be said again.
   *
   * @param standbys as many successors shall be loaded and wait, 8 at most; those above that end
   * @returns the process id of the one that goes on first, or is on its way to that; 0 when there is none
   * @throws ERR_IO when the keeper is gone
   */
  keeperReady(standbys: number): Promise<number>;
  /** How a successor is started: its program (an absolute path) and arguments, and `NAME=value` texts. */
  keeperSuccessor(argv: readonly string[], environment: readonly string[]): Promise<void>;
}
