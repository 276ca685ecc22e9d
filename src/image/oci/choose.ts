/**
 * From whatever a name leads to, an index of many platforms or a manifest, to the manifest of one image.
 */
import { G8Error } from '../../base/errors.ts';
import { malformedImage } from '../../format/oci/malformed.ts';
import { type Descriptor, type ImageManifest, parseManifest } from '../../format/oci/manifest.ts';
import { isIndexType, isManifestType } from '../../format/oci/media-type.ts';
import { formatPlatform, type Platform, rankPlatform } from '../../format/oci/platform.ts';

/** An index of indexes is allowed; more than a few levels are a trap. */
const DEPTH_MAX = 8;
/** Indexes that are looked into for one image. */
const INDEX_COUNT_MAX = 64;

export interface PlatformChoice {
  readonly platform: Platform;
  /** Asked for by the user, and not just the platform of this machine. */
  readonly isExplicit: boolean;
}

export interface ChosenManifest {
  readonly manifest: ImageManifest;
  readonly descriptor: Descriptor;
  /** Among others, so what the index said of its platform was believed. */
  readonly isChosen: boolean;
}

/** Reads a document that a descriptor names, verified. */
export type ReadDocument = (descriptor: Descriptor) => Promise<Uint8Array>;

/**
 * Finds the manifest for a platform.
 *
 * @param start what the name leads to; several when a layout has several without a name
 * @param name for messages
 * @throws ERR_NO_INPUT listing the platforms when none of them fits; ERR_FLIST_FORMAT
 */
export async function chooseManifest(
  start: readonly Descriptor[],
  choice: PlatformChoice,
  read: ReadDocument,
  name: string,
): Promise<ChosenManifest> {
  const search = new Search(read, name);
  const found = await search.collect(start);
  const [only] = found;
  if (found.length === 1 && only !== undefined && isOpen(only, choice)) {
    return await search.open(only, false);
  }
  const [best] = found
    .map((descriptor) => ({ descriptor, rank: rankOf(descriptor, choice.platform) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank);
  if (best !== undefined) return await search.open(best.descriptor, true);
  const offered = new Set(found.map(({ platform }) => platform && formatPlatform(platform)));
  const list = [...offered].map((text) => text ?? 'one that does not say').sort();
  throw new G8Error(
    'ERR_NO_INPUT',
    `${name} has no image for ${formatPlatform(choice.platform)}; it has: ${list.join(', ') || 'none'}`,
  );
}

// An image alone is taken as it is, unless it says what it is and that is not what was asked for.
function isOpen({ platform }: Descriptor, choice: PlatformChoice): boolean {
  return (
    platform === undefined || !choice.isExplicit || rankPlatform(choice.platform, platform) > 0
  );
}

function rankOf({ platform }: Descriptor, wanted: Platform): number {
  return platform === undefined ? 0 : rankPlatform(wanted, platform);
}

class Search {
  readonly #read: ReadDocument;
  readonly #name: string;
  #indexCount = 0;

  constructor(read: ReadDocument, name: string) {
    this.#read = read;
    this.#name = name;
  }

  /** All manifests below, but for those that describe others (signatures, provenance). */
  async collect(descriptors: readonly Descriptor[], depth = 0): Promise<Descriptor[]> {
    const found: Descriptor[] = [];
    for (const descriptor of descriptors) {
      if (isManifestType(descriptor.mediaType)) {
        if (descriptor.platform?.os !== 'unknown') found.push(descriptor);
        continue;
      }
      // An entry of another kind may stand beside images; alone it is what is complained about.
      if (!isIndexType(descriptor.mediaType)) {
        if (descriptors.length === 1) found.push(descriptor);
        continue;
      }
      if (depth >= DEPTH_MAX || ++this.#indexCount > INDEX_COUNT_MAX) {
        throw malformedImage(`${this.#name} has indexes of indexes without end`);
      }
      const what = `Index of ${this.#name}`;
      const bytes = await this.#read(descriptor);
      const document = parseManifest(bytes, descriptor.mediaType, what);
      if (document.kind !== 'index') throw malformedImage(`${what} is none`);
      found.push(...(await this.collect(document.manifests, depth + 1)));
    }
    return found;
  }

  async open(descriptor: Descriptor, isChosen: boolean): Promise<ChosenManifest> {
    const what = `Manifest of ${this.#name}`;
    const bytes = await this.#read(descriptor);
    const document = parseManifest(bytes, descriptor.mediaType, what);
    if (document.kind !== 'manifest') throw malformedImage(`${what} is an index`);
    return { manifest: document, descriptor, isChosen };
  }
}
