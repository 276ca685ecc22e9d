/** What all targets of `flist export` share: the request, the tree as an archive, counting. */
import type { Inode } from '../format/tree.ts';
import type { LayerCompression as Compression } from '../image/oci/compress.ts';
import type { RestoreProgress, RestoreSkipped } from '../image/restore.ts';
import type { ChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import type { ProgressCounter } from './ui/progress.ts';

export interface ExportRequest {
  readonly flist: string;
  /** Folder, file, or `-` for stdout. */
  readonly target: string;
  /** In the image. */
  readonly path: string;
  /** Of an archive; `undefined` for a folder, and for an image's layer when it was not said. */
  readonly compression: Compression | undefined;
  readonly sparse: boolean;
  /** Of an image; default what its settings say, else this machine's. */
  readonly platform?: string | undefined;
  readonly insecureRegistry?: boolean | undefined;
}

export interface ExportSummary {
  readonly target: string;
  readonly entries: number;
  /** Of regular files, hard links once. */
  readonly bytes: number;
  /** Bytes of an archive's file, or of a layer. */
  readonly size?: number;
  /** Of an image's manifest. */
  readonly digest?: string;
  readonly skipped: Partial<RestoreSkipped> & { readonly sockets?: number };
}

export interface OpenArchive {
  readonly archive: AsyncIterable<Uint8Array>;
  readonly progress: RestoreProgress;
  /** Counts while the archive is read. */
  readonly skipped: { sockets: number };
}

/** A tree as a tar that counts what is written of it. */
export async function openArchive(
  context: Context,
  root: Inode,
  { sparse }: Pick<ExportRequest, 'sparse'>,
  store: ChunkStore,
): Promise<OpenArchive> {
  const { archiveTree } = await import('../image/archive.ts');
  const { planRestore } = await import('../image/restore-plan.ts');
  const { addon } = await import('../native/load.ts');
  const progress: RestoreProgress = {
    entries: 0,
    entriesTotal: 0,
    bytes: 0,
    bytesTotal: planRestore(root, new Uint8Array(0)).fileBytes,
  };
  const skipped = { sockets: 0 };
  const archive = archiveTree(root, {
    store,
    codec: addon(),
    signal: context.signal,
    sparse,
    onEntry: () => progress.entries++,
    onBytes: (size) => {
      progress.bytes += size;
    },
    onSkipped: () => skipped.sockets++,
  });
  return { archive, progress, skipped };
}

/** The counters as the progress view wants them. */
export function counterOf(progress: RestoreProgress): ProgressCounter {
  return {
    label: 'Exporting',
    unit: 'bytes',
    get done() {
      return progress.bytes;
    },
    get total() {
      return progress.bytesTotal;
    },
  };
}
