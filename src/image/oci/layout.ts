/**
 * Images in OCI layouts: `index.json` and blobs under their digests, in a folder or in a tar of one.
 *
 * @see OCI image specification, image layout
 */
import { G8Error } from '../../base/errors.ts';
import {
  checkBlob,
  shortDigest,
  splitDigest,
  verifiedBlob,
  wrongSize,
} from '../../format/oci/digest.ts';
import { DOCUMENT_SIZE_MAX } from '../../format/oci/json.ts';
import { malformedImage, showText } from '../../format/oci/malformed.ts';
import { checkLayoutFile, type Descriptor, parseManifest } from '../../format/oci/manifest.ts';
import { checkConfigType, MEDIA_TYPE } from '../../format/oci/media-type.ts';
import { chooseManifest, type PlatformChoice } from './choose.ts';
import {
  checkedConfig,
  checkedLayer,
  type Decompress,
  type OciImage,
  pairLayers,
} from './image.ts';
import { type ImageFiles, readSmallFile } from './image-files.ts';

export interface OpenImageOptions {
  readonly choice: PlatformChoice;
  readonly decompress: Decompress;
  readonly unpackedSizeMax?: number | undefined;
}

/** A layer in messages that its reader puts its name in front of. */
export const BLOB = 'The blob';
/** Tags listed in a message. */
const LISTED_MAX = 20;

/**
 * Opens an image of a layout.
 *
 * @param files become part of the image and are closed with it
 * @param version tag, or `@` and a digest; without it the layout has one image only
 * @throws ERR_FLIST_FORMAT, ERR_NO_INPUT when there is no such image
 */
export async function openLayoutImage(
  files: ImageFiles,
  version: string | undefined,
  options: OpenImageOptions,
): Promise<OciImage> {
  const what = version === undefined ? files.name : `${files.name}:${showText(version)}`;
  checkLayoutFile(await readSmallFile(files, 'oci-layout', DOCUMENT_SIZE_MAX), what);
  const index = await readSmallFile(files, 'index.json', DOCUMENT_SIZE_MAX);
  const document = parseManifest(index, MEDIA_TYPE.index, `Index of ${files.name}`);
  if (document.kind !== 'index') throw malformedImage(`Index of ${files.name} is none`);
  const start = entriesOf(document.manifests, version, files.name);
  const read = (descriptor: Descriptor) => readBlob(files, descriptor);
  const { choice } = options;
  const { manifest, descriptor, isChosen } = await chooseManifest(start, choice, read, what);
  checkConfigType(manifest.config.mediaType, what);
  const config = checkedConfig(await read(manifest.config), { ...choice, isChosen }, what);
  const layers = pairLayers(manifest, config, what);
  return {
    config,
    origin: { digest: descriptor.digest },
    layers: layers.map((layer) => {
      const openStored = () => verifiedBlob(openBlob(files, layer), { ...layer, what: BLOB });
      return checkedLayer({ ...layer, openStored }, options.decompress, options);
    }),
    close: () => files.close(),
  };
}

/** Where a blob lies in a layout. */
export function blobPath(digest: string): string {
  const { algorithm, hex } = splitDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

function entriesOf(
  manifests: readonly Descriptor[],
  version: string | undefined,
  name: string,
): readonly Descriptor[] {
  const digest = version?.startsWith('@') ? version.slice(1) : undefined;
  if (digest !== undefined) {
    const found = manifests.filter((entry) => entry.digest === digest);
    if (found.length > 0) return found.slice(0, 1);
    throw new G8Error('ERR_NO_INPUT', `${name} has no image ${showText(digest)}`);
  }
  const tags = new Set(manifests.map(({ refName }) => refName).filter((tag) => tag !== undefined));
  const list = (): string => [...tags].slice(0, LISTED_MAX).map(showText).sort().join(', ');
  if (version !== undefined) {
    const found = manifests.filter(({ refName }) => refName === version);
    if (found.length > 0) return found;
    const has = tags.size === 0 ? 'its images have no names' : `it has: ${list()}`;
    throw new G8Error('ERR_NO_INPUT', `${name} has no image ${showText(version)}; ${has}`);
  }
  if (manifests.length === 0) throw new G8Error('ERR_NO_INPUT', `${name} has no image`);
  if (tags.size > 1) {
    throw new G8Error('ERR_USAGE', `${name} has several images, choose one: ${list()}`);
  }
  return manifests;
}

async function readBlob(files: ImageFiles, { digest, size }: Descriptor): Promise<Uint8Array> {
  const what = `Blob ${shortDigest(digest)} of ${files.name}`;
  if (size > DOCUMENT_SIZE_MAX) throw malformedImage(`${what} is too large for a document`);
  const bytes = await readSmallFile(files, blobPath(digest), DOCUMENT_SIZE_MAX);
  checkBlob(bytes, { digest, size, what });
  return bytes;
}

async function* openBlob(files: ImageFiles, { digest, size }: Descriptor) {
  const path = blobPath(digest);
  const present = await files.sizeOf(path);
  if (present === undefined) throw malformedImage(`${BLOB} is missing in ${files.name}`);
  if (present !== size) throw wrongSize(BLOB, present, size);
  yield* files.open(path);
}
