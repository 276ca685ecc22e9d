/**
 * Compares an image with what it was made of, or with anything else an image can be made of: that is read
 * as for a new flist, but its chunks are only digested and kept nowhere.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareTrees } from '../../format/compare-trees.ts';
import { BLOCK_SIZE_DEFAULT } from '../../format/content.ts';
import type { Inode } from '../../format/tree.ts';
import type { CodecBinding, ScanBinding, StreamBinding } from '../../native/addon.ts';
import type { ChunkId, WritableChunkStore } from '../../store/store.ts';
import { createFlist } from '../create.ts';
import type { CreateProgress } from '../create-progress.ts';
import { loadFlist } from '../load.ts';
import type { ImageSource } from '../source/source.ts';
import type { Findings } from './findings.ts';

/** Compression is in vain here. */
const LEVEL = 1;

export interface AgainstOptions {
  readonly addon: CodecBinding & ScanBinding & StreamBinding;
  readonly progress?: CreateProgress | undefined;
  readonly tmpDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws what reading the source throws */
export async function verifyAgainst(
  root: Inode,
  source: string | ImageSource,
  findings: Findings,
  options: AgainstOptions,
): Promise<void> {
  const { addon, tmpDir = tmpdir(), signal } = options;
  const dir = await mkdtemp(join(tmpDir, 'g8ufs-'));
  try {
    const output = join(dir, 'source.flist');
    const blockSize = blockSizeOf(root) ?? BLOCK_SIZE_DEFAULT;
    await createFlist({
      ...options,
      source,
      output,
      store: new DigestOnly(),
      blockSize,
      level: LEVEL,
    });
    const other = await loadFlist(output, { codec: addon, tmpDir, signal });
    report(root, other.root, findings);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Compares two trees of flists. */
export function report(root: Inode, other: Inode, findings: Findings): void {
  for (const { path, what } of compareTrees(root, other)) {
    const message =
      what === 'left'
        ? 'is in the image only'
        : what === 'right'
          ? 'is not in the image'
          : `differs: ${what.join(', ')}`;
    findings.add({ kind: 'difference', path, message });
  }
}

function blockSizeOf(root: Inode): number | undefined {
  const stack = [root];
  for (let inode = stack.pop(); inode !== undefined; inode = stack.pop()) {
    if (inode.content !== undefined) return inode.content.blockSize;
    for (const entry of inode.entries ?? []) stack.push(entry.inode);
  }
  return undefined;
}

/** Has every chunk already, so nobody brings one. */
class DigestOnly implements WritableChunkStore {
  readonly name = 'digests only';

  async missing(): Promise<ChunkId[]> {
    return [];
  }

  async put(): Promise<void> {}

  async get(): Promise<Uint8Array> {
    throw new RangeError('This store keeps no chunks');
  }

  getMany(): AsyncIterable<never> {
    throw new RangeError('This store keeps no chunks');
  }

  async close(): Promise<void> {}
}
