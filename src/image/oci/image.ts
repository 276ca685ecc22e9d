/**
 * An image as `flist create` takes it: its configuration, and its layers as streams of plain tar bytes,
 * verified at their end. Where the bytes lie is the business of whoever opened it.
 */
import { throwIfAborted } from '../../base/abort.ts';
import { G8Error } from '../../base/errors.ts';
import { plural } from '../../base/plural.ts';
import { type ImageConfig, parseConfig } from '../../format/oci/config.ts';
import {
  type Digest,
  Digester,
  shortDigest,
  splitDigest,
  wrongDigest,
} from '../../format/oci/digest.ts';
import { malformedImage } from '../../format/oci/malformed.ts';
import type { Descriptor, ImageManifest } from '../../format/oci/manifest.ts';
import { checkLayerType } from '../../format/oci/media-type.ts';
import type { ImageOrigin } from '../../format/oci/metadata.ts';
import { formatPlatform, rankPlatform } from '../../format/oci/platform.ts';
import type { PlatformChoice } from './choose.ts';

type Bytes = AsyncIterable<Uint8Array>;

/** Recognises how bytes are compressed and gives them plain. */
export type Decompress = (source: Bytes) => Bytes;

export interface LayerOpenOptions {
  readonly signal: AbortSignal;
  /** Told how many bytes have been read, as they are stored. */
  readonly onPosition: (position: number) => void;
}

export interface ImageLayer {
  /** Subject of messages. */
  readonly name: string;
  /** Bytes as they are stored. */
  readonly size: number;
  readonly isRepeatable: true;
  /**
   * The layer as a plain tar, anew at each call. Nothing of it counts before its end has come: only then
   * it is verified.
   *
   * @throws ERR_FLIST_FORMAT
   */
  open(options: LayerOpenOptions): AsyncGenerator<Uint8Array, void, void>;
}

export interface OciImage {
  readonly config: ImageConfig;
  readonly origin: ImageOrigin;
  /** The lowest first. */
  readonly layers: readonly ImageLayer[];
  /** Idempotent; takes away what was downloaded. */
  close(): Promise<void>;
}

/** Bounds of what a layer may grow to. */
export interface UnpackLimit {
  /** Bytes of one layer, plain; default {@link UNPACKED_SIZE_MAX} and {@link RATIO_MAX}. */
  readonly unpackedSizeMax?: number | undefined;
}

/** More than any image that is known; what wants more is asked for by name. */
const UNPACKED_SIZE_MAX = 64 * 1024 ** 3;
/** What deflate can do at most is 1032; a layer of nothing but zeros comes close. */
const RATIO_MAX = 1100;
/** Below this it does not matter. */
const RATIO_SIZE_MIN = 256 * 1024 ** 2;

/** A stored layer, whatever it lies in. Errors of its bytes need not name it: whoever reads it does. */
export interface StoredLayer {
  readonly name: string;
  readonly size: number;
  readonly diffId: Digest;
  /** Bytes as stored, verified at their end where their digest is known. */
  readonly openStored: () => Bytes;
}

/** The layer with everything that is checked of it. */
export function checkedLayer(
  stored: StoredLayer,
  decompress: Decompress,
  limit: UnpackLimit,
): ImageLayer {
  const { name, size } = stored;
  return {
    name,
    size,
    isRepeatable: true,
    open: (options) => openLayer(stored, decompress, limit.unpackedSizeMax, options),
  };
}

async function* openLayer(
  { size, diffId, openStored }: StoredLayer,
  decompress: Decompress,
  sizeMax: number | undefined,
  { signal, onPosition }: LayerOpenOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const bound = sizeMax ?? Math.min(UNPACKED_SIZE_MAX, Math.max(RATIO_SIZE_MIN, RATIO_MAX * size));
  const digester = new Digester(splitDigest(diffId).algorithm);
  const source = counted(openStored(), signal, onPosition);
  try {
    for await (const piece of decompress(rest(source))) {
      digester.update(piece);
      if (digester.size > bound) {
        throw malformedImage(`Unpacked it has more than ${bound} bytes (--unpack-limit)`);
      }
      yield piece;
    }
    // What lies behind the compressed data belongs to the blob as well.
    for await (const _ of rest(source));
  } finally {
    await source.return();
  }
  if (digester.digest() !== diffId) throw wrongDigest('The unpacked layer', diffId);
}

async function* counted(
  source: Bytes,
  signal: AbortSignal,
  onPosition: (position: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  let position = 0;
  for await (const piece of source) {
    throwIfAborted(signal);
    position += piece.length;
    onPosition(position);
    yield piece;
  }
}

/** What a source still has. Unlike a loop over the source itself, leaving early does not end it. */
async function* rest(source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for (;;) {
    const next = await source.next();
    if (next.done === true) return;
    yield next.value;
  }
}

/**
 * What a manifest says of its layers, checked.
 *
 * @throws ERR_FLIST_FORMAT for foreign and unknown layers, and when manifest and configuration differ
 */
export function pairLayers(
  manifest: ImageManifest,
  config: ImageConfig,
  what: string,
): readonly (Descriptor & { readonly name: string; readonly diffId: Digest })[] {
  const { layers } = manifest;
  const { diffIds } = config;
  if (layers.length !== diffIds.length) {
    throw malformedImage(
      `${what} has ${plural(layers.length, 'layer')}, its configuration names ${diffIds.length}`,
    );
  }
  return layers.map((layer, i) => {
    const name = `Layer ${shortDigest(layer.digest)}`;
    checkLayerType(layer.mediaType, name);
    return { ...layer, name, diffId: diffIds[i] as Digest };
  });
}

/**
 * Reads an image's configuration.
 *
 * @param isChosen its platform was chosen by what an index said. That is believed: many configurations
 *   tell the platform of the machine that built them
 * @throws ERR_FLIST_FORMAT; ERR_NO_INPUT when it is not for the platform that was asked for
 */
export function checkedConfig(
  bytes: Uint8Array,
  choice: PlatformChoice & { readonly isChosen: boolean },
  what: string,
): ImageConfig {
  const config = parseConfig(bytes, `Configuration of ${what}`);
  const { platform, isExplicit, isChosen } = choice;
  if (isExplicit && !isChosen && rankPlatform(platform, config.platform) === 0) {
    const [is, wanted] = [config.platform, platform].map(formatPlatform);
    throw new G8Error('ERR_NO_INPUT', `${what} is for ${is}, not for ${wanted}`);
  }
  return config;
}
