/** What `flist bundle` and `flist unbundle` do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import type { Image } from '../image/open.ts';
import type { Context } from './context.ts';
import type { StoreFlags } from './store-access.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

export interface BundleFlags extends StoreFlags {
  readonly path: readonly string[];
  readonly base: readonly string[];
}

export interface BundleSummary {
  readonly bundle: string;
  readonly size: number;
  readonly chunks: number;
  readonly absentChunks: number;
  readonly signed: boolean;
  readonly rootDigest: string;
}

/** @throws as `openImage` and `writeBundle` */
export async function bundleFlist(
  context: Context,
  flist: string,
  output: string,
  flags: BundleFlags,
): Promise<BundleSummary> {
  const { withImage } = await import('./image-access.ts');
  const { withStores } = await import('./store-access.ts');
  const { checkOutput } = await import('../image/output.ts');
  const { signaturesOf } = await import('../image/require-signature.ts');
  const { formatSignatures } = await import('../format/signature.ts');
  const { fetchPackage } = await import('../image/fetch.ts');
  const { writeBundle } = await import('../image/bundle.ts');
  await checkOutput(output);
  let summary: BundleSummary | undefined;
  const dir = await mkdtemp(join(context.env['TMPDIR'] || tmpdir(), 'g8ufs-'));
  try {
    await withImage(context, flist, async (image) => {
      const wanted = await wantedChunks(image, flags.path);
      const { ids, bases } = await withoutBases(context, wanted.ids, flags.base);
      const signatures = await signaturesOf(flist, context.signal);
      const rootDigest = await image.rootDigest();
      const info = {
        rootDigest,
        chunks: ids.length,
        absentChunks: wanted.total - ids.length,
        bases,
      };
      const counter: ProgressCounter = { label: 'Bundling', done: 0, total: 0, unit: 'bytes' };
      const view = await showProgress(context, counter);
      try {
        const size = await withStores(context, [image], flags, async (store) =>
          writeBundle(output, {
            flist: await fetchPackage(flist, dir, context.signal),
            signature: signatures === undefined ? undefined : formatSignatures(signatures),
            chunks: ids,
            info,
            store,
            signal: context.signal,
            onChunk: (bytes) => {
              counter.done += bytes;
            },
          }),
        );
        const { chunks, absentChunks } = info;
        const signed = signatures !== undefined;
        summary = { bundle: output, size, chunks, absentChunks, signed, rootDigest };
      } finally {
        view.stop();
      }
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return summary as BundleSummary;
}

/** Ids of the chunks below the paths, in the order of the tree, and how many the image has in all. */
async function wantedChunks(
  image: Image,
  paths: readonly string[],
): Promise<{ ids: string[]; total: number }> {
  const { imageTree } = await import('../image/tree.ts');
  const { findEntry } = await import('./image-access.ts');
  const { chunkIdsOf } = await import('../image/verify/chunk-ids.ts');
  const all = chunkIdsOf(imageTree(image));
  if (paths.length === 0) return { ids: [...all], total: all.size };
  const ids = new Set<string>();
  for (const path of paths) {
    const { inode } = findEntry(image, path, { followLast: true });
    for (const id of chunkIdsOf(imageTree(image, inode.nid))) ids.add(id);
  }
  return { ids: [...ids], total: all.size };
}

/** Leaves out what the bases have: a bundle the chunks in it, a flist all that it names. */
async function withoutBases(
  context: Context,
  ids: readonly string[],
  names: readonly string[],
): Promise<{ ids: string[]; bases: string[] }> {
  const { withImage } = await import('./image-access.ts');
  const { imageTree } = await import('../image/tree.ts');
  const { withBundle } = await import('../image/bundle.ts');
  const { chunkIdsOf } = await import('../image/verify/chunk-ids.ts');
  const present = new Set<string>();
  const bases: string[] = [];
  for (const name of names) {
    await withImage(context, name, async (image) => {
      bases.push(await image.rootDigest());
      const isBundle = await withBundle(name, async (bundle) => {
        for await (const { id } of bundle.entries()) present.add(toHex(id));
        return true;
      });
      if (isBundle !== true) for (const id of chunkIdsOf(imageTree(image))) present.add(id);
    });
  }
  return { ids: ids.filter((id) => !present.has(id)), bases };
}

export interface UnbundleSummary {
  readonly flist: string;
  readonly chunks: number;
  readonly newChunks: number;
  readonly uploadedBytes: number;
  readonly signed: boolean;
}

/** @throws ERR_FLIST_FORMAT when `path` is no bundle; ERR_CHUNK_CORRUPT; what the store throws */
export async function unbundle(
  context: Context,
  path: string,
  flist: string,
  url: string,
): Promise<UnbundleSummary> {
  const { BundleFile } = await import('../store/bundle.ts');
  const { openStore } = await import('../store/open.ts');
  const { bundleSignature, extractFlist } = await import('../image/bundle.ts');
  const { Uploader } = await import('../image/upload.ts');
  const { checkOutput, writeWholeFile } = await import('../image/output.ts');
  const { chunkMatches, corruptError } = await import('../store/chunk-id.ts');
  const { signaturePlace } = await import('../image/require-signature.ts');
  const { linkSignals } = await import('../base/abort.ts');
  const { addon } = await import('../native/load.ts');
  await checkOutput(flist);
  const codec = addon();
  const { signal, unlink } = linkSignals(context.signal);
  const store = openStore(url);
  const bundle = await BundleFile.open(path);
  const { chunkCount } = bundle.header;
  const counter: ProgressCounter = {
    label: 'Uploading',
    done: 0,
    total: chunkCount,
    unit: 'entries',
  };
  const view = await showProgress(context, counter);
  const uploader = new Uploader(store, signal);
  try {
    for await (const { id, offset, size } of bundle.entries()) {
      const bytes = await bundle.read(offset, size);
      const isRight = await chunkMatches(toHex(id), bytes, (data, length) =>
        codec.blake2b(data, length),
      );
      if (!isRight) throw corruptError(toHex(id), `bundle://${path}`, 'does not match its id');
      await uploader.add(id, bytes);
      counter.done++;
    }
    await uploader.finish();
    // Only now: a flist whose chunks are nowhere is of no use.
    await extractFlist(bundle, flist, signal);
    const text = await bundleSignature(bundle);
    if (text !== undefined) {
      const place = signaturePlace(flist);
      const bytes = Buffer.from(text, 'latin1');
      await writeWholeFile(place, once(bytes), signal);
    }
    const { chunks, newChunks, uploadedBytes } = uploader.counts;
    return { flist, chunks, newChunks, uploadedBytes, signed: text !== undefined };
  } finally {
    view.stop();
    await uploader.settle();
    await bundle.close();
    await store.close();
    unlink();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
