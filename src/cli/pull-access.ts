/** What `pull` does: a flist from a hub into a file or bundle, its chunks into a store. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { G8Error, isG8Error } from '../base/errors.ts';
import type { HubClient } from '../store/hub-client.ts';
import type { CarriedChunks } from './carry-chunks.ts';
import type { Context } from './context.ts';
import { flistUrl, type HubFlist, withHub } from './hub-access.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

export interface PullSummary {
  readonly output: string;
  readonly url: string;
  /** Bytes of the output. */
  readonly size: number;
  /** It was there in this form already. */
  readonly isUnchanged: boolean;
  readonly carried: CarriedChunks | undefined;
}

/**
 * @param storeUrl where all chunks go
 * @throws ERR_NO_INPUT when the hub does not have it; ERR_CREATE; network errors; ERR_PERMISSION
 */
export async function pullFlist(
  context: Context,
  from: HubFlist,
  output: string,
  storeUrl: string | undefined,
): Promise<PullSummary> {
  const { checkOutput } = await import('../image/output.ts');
  await checkOutput(output);
  return await withHub(context, from.hub, async (client) => {
    const url = flistUrl(client.name, from);
    if (output.endsWith('.bundle')) {
      if (storeUrl !== undefined) {
        throw new G8Error('ERR_USAGE', 'A bundle has its chunks in it: leave out --store');
      }
      return { ...(await pullBundle(context, from, output)), url };
    }
    const dir = await mkdtemp(join(context.env['TMPDIR'] || tmpdir(), 'g8ufs-'));
    try {
      return await pullInto(context, client, from, { output, storeUrl, dir, url });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
}

/**
 * A bundle is written in one go; its chunks wait beside it until all of them are here, so that a pull that was cut goes
 * on where it was.
 */
async function pullBundle(
  context: Context,
  from: HubFlist,
  output: string,
): Promise<Omit<PullSummary, 'url'>> {
  const { bundleFlist } = await import('./bundle-access.ts');
  // By the URL that was given, with what credentials it has.
  const hub = from.hub.replace(/\/+$/, '');
  const url = flistUrl(hub, from);
  const parts = `${resolve(output)}.parts`;
  const store = pathToFileURL(parts).href;
  const carried = await carry(context, hub, url, store);
  const flags = { store: [store, hub], path: [], base: [] };
  const { size } = await bundleFlist(context, url, output, flags);
  await rm(parts, { recursive: true, force: true });
  return { output, size, isUnchanged: false, carried };
}

async function pullInto(
  context: Context,
  client: HubClient,
  from: HubFlist,
  to: { output: string; storeUrl: string | undefined; dir: string; url: string },
): Promise<PullSummary> {
  const { output, storeUrl, dir, url } = to;
  const { signal } = context;
  const md5 = await client.flistMd5(from, { signal });
  if (md5 === undefined) throw new G8Error('ERR_NO_INPUT', `Flist ${url} does not exist`);
  const isUnchanged = md5 === (await md5Of(output, signal));
  const path = isUnchanged ? output : join(dir, 'package.flist');
  if (!isUnchanged) await download(context, client, from, path);
  const carried =
    storeUrl === undefined ? undefined : await carry(context, from.hub, path, storeUrl);
  if (!isUnchanged) await place(path, output, signal);
  await placeTexts(context, client, from, output);
  const { size } = await stat(output);
  return { output, url, size, isUnchanged, carried };
}

async function download(
  context: Context,
  client: HubClient,
  from: HubFlist,
  destination: string,
): Promise<void> {
  const counter: ProgressCounter = { label: 'Downloading', done: 0, total: 0, unit: 'bytes' };
  const view = await showProgress(context, counter);
  try {
    await client.downloadFlist(from, {
      destination,
      signal: context.signal,
      onProgress: (done, total) => {
        counter.done = done;
        counter.total = total ?? 0;
      },
    });
  } finally {
    view.stop();
  }
}

async function carry(
  context: Context,
  hub: string,
  path: string,
  storeUrl: string,
): Promise<CarriedChunks> {
  const { withImage } = await import('./image-access.ts');
  const { openImageStores } = await import('./store-access.ts');
  const { openStore } = await import('../store/open.ts');
  const { carryChunks } = await import('./carry-chunks.ts');
  return await withImage(context, path, async (image) => {
    const from = await openImageStores([image], [hub]);
    const to = openStore(storeUrl);
    try {
      return await carryChunks(context, image, from, to, 'Bringing chunks');
    } finally {
      await Promise.all([from.close(), to.close()]);
    }
  });
}

/** Signature and profile as the hub has them; those of another version of the flist would be wrong. */
async function placeTexts(
  context: Context,
  client: HubClient,
  from: HubFlist,
  output: string,
): Promise<void> {
  const { parseSignatures } = await import('../format/signature.ts');
  const { parseProfile } = await import('../format/profile.ts');
  const { signaturePlace } = await import('../image/require-signature.ts');
  const { profilePlace } = await import('../image/profile-files.ts');
  const { writeWholeFile } = await import('../image/output.ts');
  const { signal } = context;
  const texts = [
    { kind: 'sig', place: signaturePlace(output), parse: parseSignatures },
    { kind: 'profile', place: profilePlace(output), parse: parseProfile },
  ] as const;
  for (const { kind, place: path, parse } of texts) {
    const text = await client.flistText(from, kind, { signal });
    if (text === undefined) {
      await rm(path, { force: true });
      continue;
    }
    parse(text);
    await writeWholeFile(path, once(Buffer.from(text, 'latin1')), signal);
  }
}

async function place(path: string, output: string, signal: AbortSignal): Promise<void> {
  const { fileStream } = await import('../image/file-stream.ts');
  const { writeWholeFile } = await import('../image/output.ts');
  await writeWholeFile(output, fileStream(path, { signal }), signal);
}

/** `undefined` when there is no such file. */
async function md5Of(path: string, signal: AbortSignal): Promise<string | undefined> {
  const { fileStream } = await import('../image/file-stream.ts');
  const hash = createHash('md5');
  try {
    for await (const piece of fileStream(path, { signal })) hash.update(piece);
    return hash.digest('hex');
  } catch (error) {
    if (isG8Error(error, 'ERR_NO_INPUT') || (error as { code?: string }).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
