/**
 * Images of registries: manifest and configuration at once, then all layers into a temporary folder, a few
 * at a time. The folder goes when the image is closed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkSignals } from '../../base/abort.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { forEachParallel } from '../../base/workers.ts';
import { checkBlob, digestOf, shortDigest, splitDigest } from '../../format/oci/digest.ts';
import { DOCUMENT_SIZE_MAX } from '../../format/oci/json.ts';
import { malformedImage } from '../../format/oci/malformed.ts';
import { type Descriptor, parseManifest } from '../../format/oci/manifest.ts';
import { checkConfigType, MEDIA_TYPE } from '../../format/oci/media-type.ts';
import { formatReference, type RegistryReference, versionOf } from '../../format/oci/reference.ts';
import { readBody } from '../../store/http-answer.ts';
import { chooseManifest, type ReadDocument } from './choose.ts';
import { checkedConfig, checkedLayer, type OciImage, pairLayers } from './image.ts';
import { openPlainFile, readRange } from './image-files.ts';
import type { OpenImageOptions } from './layout.ts';
import { downloadBlob, fetchManifest } from './registry/download.ts';
import type { RegistryClient } from './registry/registry-client.ts';

/** As many as docker and skopeo fetch: more does not make a line wider. */
const DOWNLOADS_MAX = 6;

export interface RegistryImageOptions extends OpenImageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told what there is to download, and then of each piece. */
  readonly onTotal?: ((bytes: number) => void) | undefined;
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Default the system's. */
  readonly temporaryFolder?: string | undefined;
}

/**
 * Downloads an image.
 *
 * @throws ERR_NO_INPUT when there is no such image, or none for the platform; ERR_FLIST_FORMAT when
 *   something is not what its descriptor says; what the registry's client throws
 */
export async function openRegistryImage(
  client: RegistryClient,
  reference: RegistryReference,
  options: RegistryImageOptions,
): Promise<OciImage> {
  const { signal, choice } = options;
  const name = formatReference(reference);
  const version = versionOf(reference);
  const first = await fetchManifest(client, version, `Manifest ${version}`, signal);
  const known = reference.digest;
  if (known !== undefined) checkBlob(first.bytes, { digest: known, what: `Manifest of ${name}` });
  // A tag leads to whatever the registry says; from there on everything has a digest.
  const kind = parseManifest(first.bytes, first.mediaType, `Manifest of ${name}`).kind;
  const start: Descriptor = {
    mediaType: kind === 'index' ? MEDIA_TYPE.index : MEDIA_TYPE.manifest,
    digest: known ?? digestOf(first.bytes),
    size: first.bytes.length,
  };
  const read: ReadDocument = async (descriptor) =>
    descriptor.digest === start.digest
      ? first.bytes
      : await readManifest(client, descriptor, signal);
  const chosen = await chooseManifest([start], choice, read, name);
  const { manifest, descriptor, isChosen } = chosen;
  checkConfigType(manifest.config.mediaType, name);
  const bytes = await readConfig(client, manifest.config, signal);
  const config = checkedConfig(bytes, { ...choice, isChosen }, name);
  const layers = pairLayers(manifest, config, name);
  const folder = await makeFolder(options.temporaryFolder ?? tmpdir());
  const close = () => rm(folder, { recursive: true, force: true });
  try {
    await downloadLayers(client, layers, folder, options);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    config,
    origin: { source: name, digest: descriptor.digest },
    layers: layers.map((layer) => {
      const openStored = () => readFile(join(folder, fileOf(layer)));
      return checkedLayer({ ...layer, openStored }, options.decompress, options);
    }),
    close,
  };
}

async function readManifest(
  client: RegistryClient,
  { digest, size, mediaType }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const what = `Manifest ${shortDigest(digest)}`;
  const { bytes, mediaType: served } = await fetchManifest(client, digest, what, signal);
  checkBlob(bytes, { digest, size, what });
  if (served !== undefined && served !== mediaType && served.includes('vnd.')) {
    throw malformedImage(`${what} is served as ${served}, its descriptor says ${mediaType}`);
  }
  return bytes;
}

async function readConfig(
  client: RegistryClient,
  { digest, size }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const what = `Configuration ${shortDigest(digest)}`;
  if (size > DOCUMENT_SIZE_MAX) throw malformedImage(`${what} is too large for a document`);
  const path = `/blobs/${digest}`;
  const bytes = await client.request({ method: 'GET', path, what, signal }, (response) =>
    readBody(response, DOCUMENT_SIZE_MAX, what),
  );
  checkBlob(bytes, { digest, size, what });
  return bytes;
}

async function makeFolder(parent: string): Promise<string> {
  try {
    return await mkdtemp(join(parent, 'g8ufs-oci-'));
  } catch (error) {
    const { message } = toG8Error(error, 'ERR_CREATE', `No folder can be made in ${parent}`);
    throw new G8Error('ERR_CREATE', message, { cause: error });
  }
}

async function downloadLayers(
  client: RegistryClient,
  layers: readonly (Descriptor & { readonly name: string })[],
  folder: string,
  { signal, onTotal, onBytes }: RegistryImageOptions,
): Promise<void> {
  // The same layer twice is one file.
  const different = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  onTotal?.(different.reduce((sum, { size }) => sum + size, 0));
  const controller = new AbortController();
  const linked = linkSignals(signal, controller.signal);
  try {
    const work = { concurrency: DOWNLOADS_MAX, signal: linked.signal };
    await forEachParallel(different, work, async (layer) => {
      const { digest, size, name: what } = layer;
      const blob = { digest, size, what, signal: linked.signal, onBytes };
      await downloadBlob(client, join(folder, fileOf(layer)), blob).catch((error: unknown) => {
        // The others would be in vain.
        controller.abort(error);
        throw error;
      });
    });
  } finally {
    linked.unlink();
  }
}

function fileOf({ digest }: Descriptor): string {
  const { algorithm, hex } = splitDigest(digest);
  return `${algorithm}-${hex}`;
}

async function* readFile(path: string): AsyncGenerator<Uint8Array, void, void> {
  const file = await openPlainFile(path);
  try {
    yield* readRange(file, path, 0, Number.POSITIVE_INFINITY);
  } finally {
    await file.close();
  }
}
