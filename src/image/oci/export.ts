/**
 * From a tree as a tar archive to an image of one layer in an OCI layout. The same archive and settings give
 * the same bytes.
 */
import type { Metadata } from '../../format/flist/metadata.ts';
import { formatConfig } from '../../format/oci/config.ts';
import { Digester } from '../../format/oci/digest.ts';
import { formatManifest } from '../../format/oci/manifest.ts';
import { MEDIA_TYPE } from '../../format/oci/media-type.ts';
import { configOfMetadata } from '../../format/oci/metadata.ts';
import { parsePlatform, platformOfMachine } from '../../format/oci/platform.ts';
import type { CodecBinding } from '../../native/addon.ts';
import { compress, LAYER_TYPES, type LayerCompression } from './compress.ts';
import { LayoutWriter } from './layout-writer.ts';

export interface ExportOciOptions {
  /** Folder with a layout, an empty one, or one to be made. */
  readonly path: string;
  readonly tag: string;
  /** Default `gzip`, which everybody reads. */
  readonly compression?: LayerCompression | undefined;
  /** Settings of the flist: they become the configuration. */
  readonly metadata: Metadata;
  /** `os/arch[/variant]`; default what the settings say, else this machine's. */
  readonly platform?: string | undefined;
  readonly codec: Pick<CodecBinding, 'zstdCompress'>;
  readonly signal?: AbortSignal | undefined;
}

/** Sizes in bytes. */
export interface ExportedImage {
  /** Digest of the manifest. */
  readonly digest: string;
  readonly configDigest: string;
  readonly configSize: number;
  readonly layerDigest: string;
  readonly layerSize: number;
  readonly layerPlainSize: number;
}

/**
 * Writes an image.
 *
 * @param tar the tree; read once
 * @throws ERR_CREATE, ERR_FLIST_FORMAT when a setting is not what docs/format.md says, ERR_USAGE for a
 *   platform that is none, ERR_ABORTED, what `tar` throws; the layout is then as it was
 */
export async function exportOci(
  tar: AsyncIterable<Uint8Array>,
  options: ExportOciOptions,
): Promise<ExportedImage> {
  const { path, tag, metadata, platform, codec, signal, compression = 'gzip' } = options;
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const settings = configOfMetadata(metadata, platformOfMachine('linux', process.arch));
  const config = { ...settings, ...(wanted !== undefined && { platform: wanted }) };
  const writer = await LayoutWriter.open(path);
  try {
    const plain = new Digester();
    const stored = compress(digested(tar, plain), compression, codec);
    const layer = await writer.addBlob(LAYER_TYPES[compression], stored, signal);
    const document = formatConfig({ ...config, diffIds: [plain.digest()] });
    const described = await writer.addDocument(MEDIA_TYPE.config, document);
    const bytes = formatManifest(described, [layer]);
    const manifest = await writer.addDocument(MEDIA_TYPE.manifest, bytes);
    await writer.finish({ ...manifest, platform: config.platform }, tag);
    return {
      digest: manifest.digest,
      configDigest: described.digest,
      configSize: described.size,
      layerDigest: layer.digest,
      layerSize: layer.size,
      layerPlainSize: plain.size,
    };
  } finally {
    await writer.close();
  }
}

async function* digested(
  source: AsyncIterable<Uint8Array>,
  digester: Digester,
): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    digester.update(piece);
    yield piece;
  }
}
