/** Which chunks a tree needs, by their ids. */
import { G8Error } from '../../base/errors.ts';
import type { Inode } from '../../format/tree.ts';
import { usedChunks } from './chunks.ts';
import { Findings } from './findings.ts';

/** In the order of the tree. @throws ERR_FLIST_FORMAT when the flist does not name all of its chunks */
export function chunkIdsOf(root: Inode): Set<string> {
  const findings = new Findings();
  const { chunks } = usedChunks(root, findings);
  const [lost] = findings.kept;
  if (lost !== undefined) throw new G8Error('ERR_FLIST_FORMAT', lost.message);
  return new Set(chunks.map(({ id }) => id));
}
