/**
 * OCI and docker images as sources of flists: layouts, archives and registries. What a user names is
 * checked at once; nothing is opened or downloaded before the image is made.
 */
import { tmpdir } from 'node:os';
import { G8Error } from '../../base/errors.ts';
import { metadataOfConfig } from '../../format/oci/metadata.ts';
import { parsePlatform, platformOfMachine } from '../../format/oci/platform.ts';
import { formatReference, parseReference } from '../../format/oci/reference.ts';
import type { Credentials } from '../../store/credential-helper.ts';
import { decompress } from '../decompress.ts';
import { LayersSource } from '../source/layers.ts';
import type { ImageSource, SourceRun, SourceTree } from '../source/source.ts';
import type { PlatformChoice } from './choose.ts';
import { openArchiveImage } from './docker-archive.ts';
import type { Decompress, OciImage } from './image.ts';
import { type OpenImageOptions, openLayoutImage } from './layout.ts';
import { openImageFiles } from './open-files.ts';
import { type PathWithName, splitPath } from './path.ts';
import { findCredentials } from './registry/credentials.ts';
import { type MayReach, RegistryClient } from './registry/registry-client.ts';
import { openRegistryImage } from './registry-image.ts';

export interface OciSourceOptions {
  /** `os/arch[/variant]`; default this machine's. */
  readonly platform?: string | undefined;
  /** Plain http also to registries of other machines. */
  readonly insecureRegistry?: boolean | undefined;
  /** Bytes that one layer may have when it is unpacked. */
  readonly unpackLimit?: number | undefined;
  /** For the registry, in place of what would be found. */
  readonly credentials?: Credentials | undefined;
  /** Where credentials are looked for; default nowhere. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly tmpDir?: string | undefined;
  /** Whether an address of a host may be connected to; default all. */
  readonly mayReach?: MayReach | undefined;
}

/** Opens the image when it is wanted. */
type OpenImage = (options: OpenImageOptions, run: SourceRun) => Promise<OciImage>;

/** `oci:PATH[:TAG]`: a layout, in a folder or a tar. @throws ERR_USAGE */
export async function openLayoutSource(
  text: string,
  options: OciSourceOptions,
): Promise<ImageSource> {
  const place = await splitPath(text);
  return source(`oci:${text}`, options, async (image, run) => {
    const files = await openImageFiles(place.path, filesOptions(options, run));
    return await closing(files, openLayoutImage(files, place.name, image));
  });
}

/** `docker-archive:PATH[:NAME]`: what `docker save` writes. @throws ERR_USAGE */
export async function openArchiveSource(
  text: string,
  options: OciSourceOptions,
): Promise<ImageSource> {
  const place: PathWithName = await splitPath(text);
  return source(`docker-archive:${text}`, options, async (image, run) => {
    const files = await openImageFiles(place.path, filesOptions(options, run));
    return await closing(files, openArchiveImage(files, place.name, image));
  });
}

/** `oci://host/repository[:tag|@digest]`. @throws ERR_USAGE */
export function openRegistrySource(text: string, options: OciSourceOptions): ImageSource {
  const reference = parseReference(text);
  const { credentials, env = {}, insecureRegistry, mayReach, tmpDir } = options;
  return source(formatReference(reference), options, async (image, run) => {
    const { progress, signal } = run;
    progress.phase = 'fetching';
    const client = new RegistryClient(reference, {
      credentials: async () => credentials ?? (await findCredentials(reference, { env, signal })),
      insecure: insecureRegistry,
      mayReach,
    });
    try {
      return await openRegistryImage(client, reference, {
        ...image,
        signal,
        temporaryFolder: tmpDir,
        onTotal: (bytes) => {
          progress.positionTotal = bytes;
        },
        onBytes: (count) => {
          progress.position += count;
        },
      });
    } finally {
      await client.close();
    }
  });
}

function source(name: string, options: OciSourceOptions, open: OpenImage): ImageSource {
  const { platform, unpackLimit } = options;
  const choice: PlatformChoice = {
    platform:
      platform === undefined ? platformOfMachine('linux', process.arch) : parsePlatform(platform),
    isExplicit: platform !== undefined,
  };
  return new OciSource(name, (run) =>
    open({ choice, decompress: decompressWith(run), unpackedSizeMax: unpackLimit }, run),
  );
}

function decompressWith({ addon }: SourceRun): Decompress {
  return (bytes) => decompress(bytes, addon);
}

function filesOptions({ tmpDir, unpackLimit }: OciSourceOptions, run: SourceRun) {
  const { signal } = run;
  return {
    tmpDir: tmpDir ?? tmpdir(),
    decompress: decompressWith(run),
    unpackedSizeMax: unpackLimit,
    signal,
  };
}

/** Closes the files when the image in them cannot be opened. */
async function closing(
  files: { close(): Promise<void> },
  opening: Promise<OciImage>,
): Promise<OciImage> {
  try {
    return await opening;
  } catch (error) {
    await files.close();
    throw error;
  }
}

class OciSource implements ImageSource {
  readonly name: string;
  readonly #open: (run: SourceRun) => Promise<OciImage>;
  #image: OciImage | undefined;

  constructor(name: string, open: (run: SourceRun) => Promise<OciImage>) {
    this.name = name;
    this.#open = open;
  }

  async load(run: SourceRun): Promise<SourceTree> {
    if (this.#image !== undefined) throw new G8Error('ERR_INTERNAL', `${this.name} is read twice`);
    this.#image = await this.#open(run);
    const { config, origin, layers } = this.#image;
    Object.assign(run.progress, { phase: 'walking', position: 0, positionTotal: 0 });
    const tree = await new LayersSource({ name: this.name, layers, whiteouts: true }).load(run);
    return { ...tree, metadata: metadataOfConfig(config, origin) };
  }

  async close(): Promise<void> {
    const image = this.#image;
    this.#image = undefined;
    await image?.close();
  }
}
