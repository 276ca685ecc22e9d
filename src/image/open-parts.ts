/**
 * Opens a flist whose package has parts for a look at some paths: nothing is unpacked, and of a URL only those
 * parts are fetched that the look needs. Each image is on its own.
 */
import { parseMetadata } from '../format/flist/metadata.ts';
import { ContentsReader } from '../format/index/contents-reader.ts';
import { MountIndexReader } from '../format/index/reader.ts';
import { isUrl } from './fetch.ts';
import { INDEX_FILES, METADATA_FILE, ROUTER_FILE } from './index-files.ts';
import type { Image } from './open.ts';
import { type OpenParts, openPartsFile, openPartsUrl } from './parts-file.ts';
import { PartMissing, PartsReader } from './parts-source.ts';

const MEMBERS = [...INDEX_FILES, ROUTER_FILE, METADATA_FILE];
/** Text members are read at once; what is larger is read as any other package is. */
const TEXT_SIZE_MAX = 1024 * 1024;

export interface OpenPartsOptions {
  readonly signal: AbortSignal | undefined;
  /** Opens the flist as any other. */
  readonly openWhole: () => Promise<Image>;
  /** Removes the folder. */
  readonly close: () => Promise<void>;
}

/**
 * @param dir temporary folder of the image
 * @returns `undefined` when the package has no parts, or no mount index
 * @throws as `openImage`
 */
export async function openParts(
  source: string,
  dir: string,
  { signal, openWhole, close }: OpenPartsOptions,
): Promise<Image | undefined> {
  const parts = await openSource(source, dir, signal);
  if (parts === undefined) return undefined;
  try {
    const image = await assemble(source, parts, openWhole);
    if (image === undefined) {
      await parts.close();
      return undefined;
    }
    return {
      ...image,
      close: async () => {
        await parts.close();
        await close();
      },
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

async function openSource(
  source: string,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<OpenParts | undefined> {
  if (isUrl(source)) return openPartsUrl(source, dir, signal);
  try {
    return openPartsFile(source);
  } catch {
    // Whoever opens it as any other package says what is wrong with it.
    return undefined;
  }
}

async function assemble(
  source: string,
  parts: OpenParts,
  openWhole: () => Promise<Image>,
): Promise<Omit<Image, 'close'> | undefined> {
  const reader = new PartsReader(parts);
  const load = async <T>(work: () => T): Promise<T> => {
    // Each turn fetches a part that was not here: there are no more turns than parts.
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!(error instanceof PartMissing)) throw error;
        await parts.fetch(error.part);
      }
    }
  };
  const members = await load(() => reader.members(MEMBERS));
  const [erofs, contents, chunks] = INDEX_FILES.map((name) => members.get(name));
  if (erofs === undefined || contents === undefined || chunks === undefined) return undefined;
  const text = (name: string): Promise<string | undefined> =>
    load(() => {
      const place = members.get(name);
      if (place === undefined) return undefined;
      return Buffer.from(reader.read(place.offset, place.size)).toString();
    });
  const texts = [members.get(ROUTER_FILE), members.get(METADATA_FILE)];
  if (texts.some((place) => (place?.size ?? 0) > TEXT_SIZE_MAX)) return undefined;
  return {
    source,
    generation: 'ours',
    built: false,
    flistSize: parts.flistSize,
    index: await load(() => new MountIndexReader(reader.source(erofs))),
    contents: await load(() => new ContentsReader(reader.source(contents), reader.source(chunks))),
    router: await text(ROUTER_FILE),
    metadata: parseMetadata((await text(METADATA_FILE)) ?? '{}'),
    load,
    // It covers everything, so everything has to be there.
    rootDigest: async () => {
      const whole = await openWhole();
      try {
        return await whole.rootDigest();
      } finally {
        await whole.close();
      }
    },
  };
}
