/** OCI layouts made blob by blob, also wrong ones. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { LAYOUT_FILE } from '../../../src/format/oci/manifest.ts';
import { MEDIA_TYPE } from '../../../src/format/oci/media-type.ts';

export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: {
    readonly os: string;
    readonly architecture: string;
    readonly variant?: string;
  };
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A layout under construction. */
export class Layout {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(path, 'oci-layout'), LAYOUT_FILE);
  }

  /** Adds a blob under its digest, or under a wrong one. */
  blob(
    mediaType: string,
    bytes: Uint8Array | string,
    wrong: Partial<BlobDescriptor> = {},
  ): BlobDescriptor {
    const digest = wrong.digest ?? sha256(bytes);
    writeFileSync(join(this.path, 'blobs', digest.replace(':', '/')), bytes);
    return { mediaType, digest, size: Buffer.byteLength(bytes), ...wrong };
  }

  json(mediaType: string, value: unknown, wrong: Partial<BlobDescriptor> = {}): BlobDescriptor {
    return this.blob(mediaType, JSON.stringify(value), wrong);
  }

  /** An image of plain tars: layers as gzip, configuration, manifest. */
  image(layers: readonly Uint8Array[], options: ImageOptions = {}): BlobDescriptor {
    const descriptors = layers.map((tar) => this.blob(MEDIA_TYPE.layerGzip, gzipSync(tar)));
    const config = this.json(MEDIA_TYPE.config, {
      architecture: 'amd64',
      os: 'linux',
      ...options.top,
      config: options.config ?? {},
      rootfs: { type: 'layers', diff_ids: layers.map((tar) => sha256(tar)) },
    });
    return this.manifest(config, descriptors);
  }

  manifest(config: BlobDescriptor, layers: readonly BlobDescriptor[]): BlobDescriptor {
    const mediaType = MEDIA_TYPE.manifest;
    return this.json(mediaType, { schemaVersion: 2, mediaType, config, layers });
  }

  index(manifests: readonly BlobDescriptor[]): BlobDescriptor {
    const mediaType = MEDIA_TYPE.index;
    return this.json(mediaType, { schemaVersion: 2, mediaType, manifests });
  }

  /** Writes `index.json`. */
  finish(...manifests: readonly BlobDescriptor[]): string {
    writeFileSync(join(this.path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    return this.path;
  }
}

export interface ImageOptions {
  /** Fields of the configuration beside `config`. */
  readonly top?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The descriptor with a name in the layout. */
export function tagged(descriptor: BlobDescriptor, tag: string): BlobDescriptor {
  return { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } };
}
