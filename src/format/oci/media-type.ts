/** Media types of manifests, configurations and layers, of OCI and of docker's schema 2. Pure. */
import { malformedImage, showText } from './malformed.ts';

export const MEDIA_TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const;

/** What a client says it takes, in the order it likes. */
export const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPE.index,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.manifest,
  MEDIA_TYPE.dockerManifest,
];

const CONFIG_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPE.config, MEDIA_TYPE.dockerConfig]);

const LAYER_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPE.layer,
  MEDIA_TYPE.layerGzip,
  MEDIA_TYPE.layerZstd,
  'application/vnd.docker.image.rootfs.diff.tar',
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.diff.tar.zstd',
]);

const FOREIGN_LAYER =
  /^application\/vnd\.(oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/;

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.index || mediaType === MEDIA_TYPE.dockerList;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.manifest || mediaType === MEDIA_TYPE.dockerManifest;
}

/** @throws ERR_FLIST_FORMAT when an image with such a configuration is no container image */
export function checkConfigType(mediaType: string, what: string): void {
  if (CONFIG_TYPES.has(mediaType)) return;
  throw malformedImage(`${what} is no container image but ${showText(mediaType)}`);
}

/**
 * How a layer is compressed is seen from its first bytes, not from here: docker's types are known to lie.
 *
 * @throws ERR_FLIST_FORMAT for layers that registries do not hand out, and for unknown ones
 */
export function checkLayerType(mediaType: string, what: string): void {
  if (LAYER_TYPES.has(mediaType)) return;
  const shown = showText(mediaType);
  if (FOREIGN_LAYER.test(mediaType)) {
    throw malformedImage(`${what} is a foreign layer, which is not part of the image (${shown})`);
  }
  if (mediaType.endsWith('+encrypted')) {
    throw malformedImage(`${what} is encrypted (${shown})`);
  }
  throw malformedImage(`${what} has the unknown media type ${shown}`);
}
