/**
 * Checks what a flist says of itself: the package, every row of its mount index, every record, and that
 * index and records tell the same tree. Reads no chunks.
 */
import { blake2bReady } from '../../base/blake2b.ts';
import { compareBytes, toHex } from '../../base/bytes.ts';
import { compareTrees } from '../../format/compare-trees.ts';
import { contentDigest } from '../../format/index/content-digest.ts';
import { buildMountIndex } from '../../format/index/writer.ts';
import type { Inode } from '../../format/tree.ts';
import { type LoadFlistOptions, loadFlist } from '../load.ts';
import type { Image } from '../open.ts';
import { imageTree } from '../tree.ts';
import type { Findings } from './findings.ts';

/** @returns the tree of the mount index; `undefined` when it cannot be read */
export async function verifyStructure(
  image: Image,
  findings: Findings,
  options: LoadFlistOptions,
): Promise<Inode | undefined> {
  await blake2bReady();
  const tree = await findings.guard('index', () => imageTree(image));
  await findings.guard('index', () => checkContents(image, findings));
  const records = await findings.guard('records', async () => {
    const { root } = await loadFlist(image.source, options);
    return root;
  });
  if (tree === undefined || records === undefined) return tree;
  for (const { path, what } of compareTrees(tree, records, { chunks: true })) {
    const message =
      what === 'left'
        ? 'is in the mount index only'
        : what === 'right'
          ? 'is in the records only'
          : `differs in mount index and records: ${what.join(', ')}`;
    findings.add({ kind: 'records', path, message });
  }
  await findings.guard('records', async () => {
    const shipped = await image.rootDigest();
    const rebuilt = toHex(buildMountIndex(records).rootDigest());
    if (shipped === rebuilt) return;
    const message = `The mount index has root digest ${shipped}; one of the records has ${rebuilt}`;
    findings.add({ kind: 'index', message });
  });
  return tree;
}

function checkContents({ contents }: Image, findings: Findings): void {
  const count = contents.totals().contents;
  let previous: Uint8Array | undefined;
  for (let i = 0; i < count; i++) {
    const { digest } = contents.content(i);
    if (toHex(contentDigest(contents.toContent(i))) !== toHex(digest)) {
      findings.add({
        kind: 'index',
        message: `Content ${toHex(digest)} has other chunks than that`,
      });
    }
    if (previous !== undefined && compareBytes(previous, digest) >= 0) {
      findings.add({ kind: 'index', message: `Content ${toHex(digest)} is out of order` });
    }
    previous = digest;
  }
}
