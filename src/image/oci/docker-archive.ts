/** Images of what `docker save` writes: `manifest.json`, configurations, and layers as plain tars. */
import { G8Error } from '../../base/errors.ts';
import { plural } from '../../base/plural.ts';
import { type Digest, isDigest, verifiedBlob } from '../../format/oci/digest.ts';
import {
  type ArchivedImage,
  isSameTag,
  parseArchiveManifest,
} from '../../format/oci/docker-archive.ts';
import { DOCUMENT_SIZE_MAX } from '../../format/oci/json.ts';
import { malformedImage, showText } from '../../format/oci/malformed.ts';
import { checkedConfig, checkedLayer, type ImageLayer, type OciImage } from './image.ts';
import { type ImageFiles, readSmallFile } from './image-files.ts';
import { BLOB, type OpenImageOptions } from './layout.ts';

/** Tags listed in a message. */
const LISTED_MAX = 20;

/**
 * Opens an image of an archive.
 *
 * @param files become part of the image and are closed with it
 * @param tag as docker understands names; without it the archive has one image only
 * @throws ERR_FLIST_FORMAT, ERR_NO_INPUT when there is no such image
 */
export async function openArchiveImage(
  files: ImageFiles,
  tag: string | undefined,
  options: OpenImageOptions,
): Promise<OciImage> {
  const document = await readSmallFile(files, 'manifest.json', DOCUMENT_SIZE_MAX);
  const images = parseArchiveManifest(document, `manifest.json of ${files.name}`);
  const image = chooseImage(images, tag, files.name);
  const what = tag === undefined ? files.name : `${files.name}:${showText(tag)}`;
  const bytes = await readSmallFile(files, image.config, DOCUMENT_SIZE_MAX);
  const config = checkedConfig(bytes, { ...options.choice, isChosen: false }, what);
  if (image.layers.length !== config.diffIds.length) {
    throw malformedImage(
      `${what} has ${plural(image.layers.length, 'layer')}, its configuration names ${config.diffIds.length}`,
    );
  }
  const layers: ImageLayer[] = [];
  for (const [i, path] of image.layers.entries()) {
    layers.push(await archivedLayer(files, path, config.diffIds[i] as Digest, options));
  }
  const source = tag ?? image.tags[0];
  return { config, origin: { source }, layers, close: () => files.close() };
}

async function archivedLayer(
  files: ImageFiles,
  path: string,
  diffId: Digest,
  options: OpenImageOptions,
): Promise<ImageLayer> {
  const size = await files.sizeOf(path);
  const name = `Layer ${showText(path)}`;
  if (size === undefined) throw malformedImage(`${name} is missing in ${files.name}`);
  const digest = `sha256:${/^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1]}`;
  // Newer archives are layouts as well: their layers have names that can be checked.
  const openStored = isDigest(digest)
    ? () => verifiedBlob(files.open(path), { digest, size, what: BLOB })
    : () => files.open(path);
  return checkedLayer({ name, size, diffId, openStored }, options.decompress, options);
}

function chooseImage(
  images: readonly ArchivedImage[],
  tag: string | undefined,
  name: string,
): ArchivedImage {
  const tags = images.flatMap((image) => image.tags);
  const list = (): string => tags.slice(0, LISTED_MAX).map(showText).sort().join(', ');
  if (tag !== undefined) {
    const found = images.find((image) => image.tags.some((known) => isSameTag(known, tag)));
    if (found !== undefined) return found;
    const has = tags.length === 0 ? 'its images have no names' : `it has: ${list()}`;
    throw new G8Error('ERR_NO_INPUT', `${name} has no image ${showText(tag)}; ${has}`);
  }
  const [only] = images;
  if (only === undefined) throw new G8Error('ERR_NO_INPUT', `${name} has no image`);
  if (images.length > 1) {
    throw new G8Error('ERR_USAGE', `${name} has several images, choose one: ${list()}`);
  }
  return only;
}
