/** What `flist verify` does: one check after the other, all findings together. */

import { throwIfAborted } from '../base/abort.ts';
import { isG8Error } from '../base/errors.ts';
import type { Inode } from '../format/tree.ts';
import type { Image } from '../image/open.ts';
import type { ImageSource } from '../image/source/source.ts';
import type { UsedChunks } from '../image/verify/chunks.ts';
import { Findings } from '../image/verify/findings.ts';
import type { Context } from './context.ts';
import type { StoreFlags } from './store-access.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';
import { VerifyReport } from './verify-report.ts';

export interface VerifyFlags extends StoreFlags {
  readonly chunks?: boolean;
  readonly data?: boolean;
  readonly against?: string;
  readonly key: readonly string[];
  readonly signature?: string;
}

export async function verifyFlist(
  context: Context,
  flist: string,
  flags: VerifyFlags,
): Promise<VerifyReport> {
  const { readPublicKey } = await import('../image/signature-files.ts');
  const keys = await Promise.all(flags.key.map(readPublicKey));
  const findings = new Findings();
  const report = new VerifyReport(flist, findings);
  const { openImage } = await import('../image/open.ts');
  const { addon } = await import('../native/load.ts');
  const tmpDir = context.env['TMPDIR'] || undefined;
  const options = { codec: addon(), tmpDir, signal: context.signal };
  const image = await findings.guard('package', () => openImage(flist, options));
  if (image === undefined) return report;
  try {
    const { verifyStructure } = await import('../image/verify/structure.ts');
    report.rootDigest = await image.rootDigest();
    report.entries = image.index.inodeCount();
    const tree = await verifyStructure(image, findings, options);
    if (keys.length > 0) await verifySignature(context, image, keys, flags.signature, report);
    if (tree === undefined) return report;
    if (flags.chunks === true || flags.data === true) {
      await verifyChunks(context, image, tree, flags, report);
    }
    if (flags.against !== undefined) await compare(context, tree, flags.against, report);
  } finally {
    await image.close();
  }
  return report;
}

async function verifySignature(
  context: Context,
  image: Image,
  keys: readonly Uint8Array[],
  place: string | undefined,
  report: VerifyReport,
): Promise<void> {
  const { requireImageSignature } = await import('../image/require-signature.ts');
  try {
    const rootDigest = Buffer.from(await image.rootDigest(), 'hex');
    const identity = { rootDigest, metadata: image.metadata };
    const { keyId } = await requireImageSignature(identity, {
      source: image.source,
      place,
      keys,
      signal: context.signal,
    });
    report.signedBy = keyId;
  } catch (error) {
    if (!isG8Error(error, 'ERR_PERMISSION')) throw error;
    report.findings.add({ kind: 'signature', message: error.message });
  }
}

async function verifyChunks(
  context: Context,
  image: Image,
  tree: Inode,
  flags: VerifyFlags,
  report: VerifyReport,
): Promise<void> {
  const { usedChunks } = await import('../image/verify/chunks.ts');
  const { withStores } = await import('./store-access.ts');
  const used = usedChunks(tree, report.findings);
  report.chunks = used.chunks.length;
  await withStores(context, [image], flags, async (store) => {
    if (flags.data === true) {
      await fetchAll(context, used, store, report);
      return;
    }
    const { missingIds, reportMissing } = await import('../image/verify/chunks.ts');
    const ids = [...new Set(used.chunks.map(({ id }) => id))];
    reportMissing(used, await missingIds(ids, store, context.signal), report.findings);
    report.stores = await askEach(context, image, ids, flags);
  });
}

async function fetchAll(
  context: Context,
  used: UsedChunks,
  store: Parameters<Parameters<typeof import('./store-access.ts').withStores>[3]>[0],
  report: VerifyReport,
): Promise<void> {
  const { verifyData } = await import('../image/verify/chunks.ts');
  const { addon } = await import('../native/load.ts');
  const counter: ProgressCounter = {
    label: 'Verifying',
    done: 0,
    total: used.plainBytes,
    unit: 'bytes',
  };
  const view = await showProgress(context, counter);
  try {
    await verifyData(used, report.findings, {
      store,
      codec: addon(),
      signal: context.signal,
      onChunk: (size) => {
        counter.done += size;
      },
    });
    report.bytes = used.plainBytes;
  } finally {
    view.stop();
  }
}

/** What each store has by itself. One that does not answer is said, and is no finding. */
async function askEach(
  context: Context,
  image: Image,
  ids: readonly string[],
  flags: VerifyFlags,
): Promise<VerifyReport['stores']> {
  const { storeUrls } = await import('./store-access.ts');
  const { openRoutedStore } = await import('../store/open.ts');
  const { missingIds } = await import('../image/verify/chunks.ts');
  const results: { store: string; missing?: number; error?: string }[] = [];
  for (const url of await storeUrls(context, [image], flags)) {
    const store = openRoutedStore({ urls: [url] });
    try {
      const missing = await missingIds(ids, store, context.signal);
      results.push({ store: store.name, missing: missing.size });
    } catch (error) {
      throwIfAborted(context.signal);
      if (!isG8Error(error)) throw error;
      results.push({ store: store.name, error: error.message });
    } finally {
      await store.close();
    }
  }
  return results;
}

async function compare(
  context: Context,
  tree: Inode,
  name: string,
  report: VerifyReport,
): Promise<void> {
  const { openSource } = await import('../image/source/open.ts');
  const { FlistSource } = await import('../image/source/flist.ts');
  const against = await import('../image/verify/against.ts');
  const { addon } = await import('../native/load.ts');
  const { signal } = context;
  const tmpDir = context.env['TMPDIR'] || undefined;
  const source: ImageSource = await openSource(name, {
    codec: addon(),
    stdin: () => context.stdin,
    openStore: () => Promise.reject(new RangeError('No chunks are read to compare flists')),
    keepBlockSize: true,
    tmpDir,
    signal,
  });
  if (source instanceof FlistSource) {
    await source.close();
    const { loadFlist } = await import('../image/load.ts');
    const { root } = await loadFlist(name.replace(/^flist:/, ''), {
      codec: addon(),
      tmpDir,
      signal,
    });
    against.report(tree, root, report.findings);
    return;
  }
  const { createProgress } = await import('../image/create-progress.ts');
  const progress = createProgress();
  const counter: ProgressCounter = {
    label: 'Comparing',
    unit: 'bytes',
    get done() {
      return progress.bytes;
    },
    get total() {
      return progress.bytesTotal;
    },
  };
  const view = await showProgress(context, counter);
  try {
    const options = { addon: addon(), progress, tmpDir, signal };
    await against.verifyAgainst(tree, source, report.findings, options);
  } finally {
    view.stop();
  }
}
