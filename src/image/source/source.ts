/**
 * What an image can be made of: a folder, archives, layers, another flist. A source gives the tree and
 * brings the contents of its files into the store by itself, because each reads in its own order: a
 * folder at any place, an archive as it streams by.
 */
import type { Metadata } from '../../format/flist/metadata.ts';
import type { Inode } from '../../format/tree.ts';
import type { CodecBinding, PackBinding, ScanBinding, StreamBinding } from '../../native/addon.ts';
import type { ChunkWriter } from '../chunk-writer.ts';
import type { CreateProgress } from '../create-progress.ts';
import type { PathMatcher } from '../glob.ts';
import type { Uploader } from '../upload.ts';

/** What a source works with. */
export interface SourceRun {
  readonly addon: CodecBinding & ScanBinding & StreamBinding & Partial<PackBinding>;
  /** Makes chunks of blocks and brings them into the store. */
  readonly writer: ChunkWriter;
  /** For chunks that exist already. */
  readonly uploader: Uploader;
  readonly progress: CreateProgress;
  readonly exclude: PathMatcher | undefined;
  /** Aborted as well when the store fails. */
  readonly signal: AbortSignal;
}

export interface SourceTree {
  /** Every regular file with bytes has its content, in chunks that are in the store or on their way. */
  readonly root: Inode;
  /** Names, the root included. */
  readonly entryCount: number;
  /** Settings that the image takes over. */
  readonly metadata?: Metadata | undefined;
  /** Files whose contents were taken over without being read. */
  readonly reusedFiles?: number | undefined;
}

/** Good for one image. */
export interface ImageSource {
  /** For messages. */
  readonly name: string;
  /**
   * @throws ERR_NO_INPUT, ERR_IO, ERR_PERMISSION when it cannot be read, ERR_FLIST_FORMAT when it is
   *   malformed; what the store throws; ERR_ABORTED
   */
  load(run: SourceRun): Promise<SourceTree>;
  /** Frees what it holds. Idempotent. */
  close(): Promise<void>;
}
