/**
 * Manifests and indexes of images, OCI's and docker's: hostile JSON in, checked values out. Pure.
 *
 * @see OCI image specification: descriptor, image index, image manifest; docker's manifest schema 2
 */
import { z } from 'zod';
import { digestSchema } from './digest.ts';
import { checkDocument, parseJson } from './json.ts';
import { malformedImage, showText } from './malformed.ts';
import { isIndexType, isManifestType, MEDIA_TYPE } from './media-type.ts';
import { normalizePlatform, type Platform } from './platform.ts';

/** Tags of one layout, or platforms of one image; real ones have dozens. */
const MANIFEST_COUNT_MAX = 4096;
/** overlayfs takes 500, docker 127. */
const LAYER_COUNT_MAX = 4096;

/** Annotation that names an entry of a layout's index. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

const text = z.string().max(4096);
// Encoders write null for what they do not have.
const optionalText = text.nullish().transform((value) => value ?? undefined);

const platformSchema = z.object({
  os: text,
  architecture: text,
  variant: optionalText,
});

const descriptorSchema = z.object({
  mediaType: z.string().min(1).max(255),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: platformSchema.nullish(),
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: optionalText,
  manifests: z.array(descriptorSchema).max(MANIFEST_COUNT_MAX),
});

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: optionalText,
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(LAYER_COUNT_MAX),
});

/** What a document says of a blob that it needs. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** Name of the entry in a layout. */
  readonly refName?: string | undefined;
  readonly platform?: Platform | undefined;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  /** The lowest first. */
  readonly layers: readonly Descriptor[];
}

/**
 * Reads a manifest or an index.
 *
 * @param mediaType what led here calls it; the document itself has to agree
 * @throws ERR_FLIST_FORMAT also when it could be read as both
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string | undefined,
  what: string,
): ImageIndex | ImageManifest {
  const document = parseJson(bytes, what);
  const { mediaType: own, schemaVersion } = checkDocument(document, headSchema, what);
  if (schemaVersion === 1)
    throw malformedImage(`${what} is of docker's schema 1, which is not read`);
  const [outer, inner] = [kindOf(mediaType), kindOf(own)];
  if (outer !== undefined && inner !== undefined && outer !== inner) {
    throw malformedImage(`${what} says it is ${showText(own ?? '')}, not ${mediaType}`);
  }
  const has = (key: string): boolean => Object.hasOwn(document as object, key);
  // A document with the parts of both means one image to one reader and another to the next.
  if (has('manifests') && (has('layers') || has('config'))) {
    throw malformedImage(`${what} is a manifest and an index at once`);
  }
  const kind =
    inner ?? outer ?? (has('manifests') ? 'index' : has('layers') ? 'manifest' : undefined);
  if (kind === 'index') {
    const { manifests } = checkDocument(document, indexSchema, what);
    return { kind, manifests: manifests.map(toDescriptor) };
  }
  if (kind === 'manifest') {
    const { config, layers } = checkDocument(document, manifestSchema, what);
    return { kind, config: toDescriptor(config), layers: layers.map(toDescriptor) };
  }
  const unknown = own ?? mediaType;
  throw malformedImage(
    unknown === undefined
      ? `${what} is no image manifest`
      : `${what} has the unknown media type ${showText(unknown)}`,
  );
}

const headSchema = z.object({ schemaVersion: z.number().nullish(), mediaType: optionalText });

function kindOf(mediaType: string | undefined): 'index' | 'manifest' | undefined {
  if (mediaType === undefined) return undefined;
  if (isIndexType(mediaType)) return 'index';
  return isManifestType(mediaType) ? 'manifest' : undefined;
}

function toDescriptor(raw: z.infer<typeof descriptorSchema>): Descriptor {
  const { mediaType, digest, size, annotations, platform } = raw;
  return {
    mediaType,
    digest,
    size,
    refName: annotations?.[REF_NAME],
    platform: platform
      ? normalizePlatform(platform.os, platform.architecture, platform.variant)
      : undefined,
  };
}

const layoutSchema = z.object({ imageLayoutVersion: z.string() });

/** Text of the file `oci-layout`. */
export const LAYOUT_FILE = '{"imageLayoutVersion":"1.0.0"}';

/** @throws ERR_FLIST_FORMAT when the file `oci-layout` is none, or of a version that is not known */
export function checkLayoutFile(bytes: Uint8Array, what: string): void {
  const { imageLayoutVersion } = checkDocument(parseJson(bytes, what), layoutSchema, what);
  if (!/^1\./.test(imageLayoutVersion)) {
    throw malformedImage(`${what} is of version ${showText(imageLayoutVersion)}, not 1`);
  }
}

/** The descriptor as documents have it. */
export function descriptorJson(descriptor: Descriptor): Record<string, unknown> {
  const { mediaType, digest, size, refName, platform } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...(platform !== undefined && { platform }),
    ...(refName !== undefined && { annotations: { [REF_NAME]: refName } }),
  };
}

/** Bytes of a manifest of one image. */
export function formatManifest(config: Descriptor, layers: readonly Descriptor[]): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.manifest,
      config: descriptorJson(config),
      layers: layers.map(descriptorJson),
    }),
  );
}

/** Bytes of an index. */
export function formatIndex(manifests: readonly Descriptor[]): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.index,
      manifests: manifests.map(descriptorJson),
    }),
  );
}
