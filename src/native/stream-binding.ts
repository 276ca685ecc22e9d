export type StreamKind = 'zstd-decode' | 'xz-decode' | 'zstd-encode';

export interface StreamOptions {
  /** Nothing comes behind this input. Default false. */
  readonly last?: boolean;
  /** Room for output, 1 byte to 16 MiB. */
  readonly outputMax: number;
}

export interface StreamStep {
  /** How much of the input was used up; less than all of it only when the output is full. */
  readonly consumed: number;
  /** At most `outputMax` bytes. */
  readonly output: Uint8Array;
  /** With `last`: everything has been given out. Until then call again with what is left. */
  readonly done: boolean;
}

/** A compressed stream in progress. Its memory is freed by {@link close}, at the latest by the collector. */
export interface NativeStream {
  /**
   * One call at a time; after a rejection the stream is of no more use. Empty input without `last`
   * gives out what is ready, and nothing else.
   *
   * @throws ERR_FLIST_FORMAT when the bytes are broken or cut off, or need a window above 128 MiB
   */
  run(input: Uint8Array, options: StreamOptions): Promise<StreamStep>;
  /** Idempotent. @throws TypeError while a call is running */
  close(): void;
}

/** The part of the addon that compresses and decompresses without an end in sight. */
export interface StreamBinding {
  /**
   * Decoders read frames (streams) that follow each other, skippable ones and padding among them. The
   * encoder writes one frame with a checksum.
   *
   * @param level of `zstd-encode`, 1 to 22, default 3
   */
  openStream(kind: StreamKind, level?: number): NativeStream;
}
