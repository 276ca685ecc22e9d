/**
 * From what a user names to a source: by its scheme, or, for a plain path, by what is there. Nothing is
 * changed, and only as much read as is needed to tell what it is.
 */
import { stat } from 'node:fs/promises';
import { G8Error, isG8Error, toG8Error } from '../../base/errors.ts';
import { isPackageMember } from '../../format/flist/package.ts';
import type { TarEntry } from '../../format/tar/entry.ts';
import { TarReader } from '../../format/tar/reader.ts';
import type { CodecBinding, StreamBinding } from '../../native/addon.ts';
import { isBundle } from '../../store/bundle.ts';
import type { ChunkStore } from '../../store/store.ts';
import { loadFlist } from '../load.ts';
import type { OciSourceOptions } from '../oci/source.ts';
import { openImage } from '../open.ts';
import { FlistSource } from './flist.ts';
import { FolderSource } from './folder.ts';
import { LayersSource } from './layers.ts';
import type { ImageSource } from './source.ts';
import { fileLayer, streamLayer } from './tar.ts';

export interface OpenSourceOptions {
  readonly codec: CodecBinding & StreamBinding;
  /** What `-` stands for; nothing when that is a terminal. */
  readonly stdin?: (() => AsyncIterable<Uint8Array> | undefined) | undefined;
  /** Opens the stores of a flist that is a source, for contents that are to be read. */
  readonly openStore: (flist: {
    source: string;
    router: string | undefined;
  }) => Promise<ChunkStore>;
  /** Whether contents of a flist keep the size of their blocks. */
  readonly keepBlockSize: boolean;
  /** Of a folder: what is never part of the image. */
  readonly excludedPaths?: readonly string[] | undefined;
  /** Of a folder: take mount points below as empty folders. */
  readonly oneFileSystem?: boolean | undefined;
  /** Of a folder: flist of an earlier state, a path or a URL. */
  readonly parent?: string | undefined;
  /** Of OCI and docker images. */
  readonly oci?: OciSourceOptions | undefined;
  readonly tmpDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Opener = (name: string, options: OpenSourceOptions) => Promise<ImageSource>;

/** By what a name begins with, the longest first. The opener gets what is behind it. */
const SCHEMES: readonly (readonly [prefix: string, open: Opener])[] = [
  ['docker-archive:', openDockerArchive],
  ['oci-archive:', openOciLayout],
  ['oci://', openRegistry],
  ['dir:', openFolder],
  ['oci:', openOciLayout],
  ['tar:', openTar],
  ['flist:', openFlist],
];

/** Openers that `--platform` and the like are for. */
const IMAGES: ReadonlySet<Opener> = new Set([openDockerArchive, openOciLayout, openRegistry]);

/**
 * Opens a source: `dir:`, `tar:` or `flist:` and a path, `-` for a tar from standard input, the URL of a
 * flist, or a path to any of these; `oci:` and `docker-archive:` with a path and a name, `oci://` with a
 * reference.
 *
 * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_USAGE for options that do not go with it; what opening throws
 */
export async function openSource(name: string, options: OpenSourceOptions): Promise<ImageSource> {
  const open = openerOf(name) ?? (await detect(name, options));
  if (options.parent !== undefined && open !== openFolder) {
    throw new G8Error('ERR_USAGE', '--parent is for folders: other sources have to be read anyway');
  }
  if (options.oneFileSystem === true && open !== openFolder) {
    throw new G8Error('ERR_USAGE', '--one-file-system is for folders');
  }
  if (!IMAGES.has(open)) refuseImageFlags(options.oci);
  const scheme = SCHEMES.find(([prefix]) => name.startsWith(prefix));
  return await open(scheme === undefined ? name : name.slice(scheme[0].length), options);
}

function openerOf(name: string): Opener | undefined {
  if (name === '-') return openTar;
  if (/^https?:\/\//i.test(name)) return openFlist;
  return SCHEMES.find(([prefix]) => name.startsWith(prefix))?.[1];
}

async function detect(path: string, { codec, signal }: OpenSourceOptions): Promise<Opener> {
  const info = await statOf(path);
  // A pipe or a device is read once, as what `-` is.
  if (!info.isDirectory() && !info.isFile()) return openTar;
  const { detectImage } = await import('../oci/detect.ts');
  const image = await detectImage(path, info.isDirectory(), signal);
  if (image !== undefined) return image === 'oci' ? openOciLayout : openDockerArchive;
  if (info.isDirectory()) return openFolder;
  if (await isBundle(path)) return openFlist;
  const layer = fileLayer(path, info.size);
  const controller = new AbortController();
  const reader = new TarReader(
    layer.open({ signal: signal ?? controller.signal, streams: codec, onPosition: () => {} }),
  );
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (entry.type === 'directory') continue;
      const isFlist = isPackageMember(Buffer.from(entry.path).toString('latin1'));
      if (isFlist !== undefined) return isFlist ? openFlist : openTar;
    }
    return openTar;
  } catch (error) {
    if (!isG8Error(error, 'ERR_FLIST_FORMAT'))
      throw toG8Error(error, 'ERR_IO', `${path} cannot be read`);
    const message = `${path} is no folder, tar archive or flist: ${error.message}`;
    throw new G8Error('ERR_FLIST_FORMAT', message, { cause: error });
  } finally {
    await reader.close();
  }
}

async function openFolder(path: string, options: OpenSourceOptions): Promise<ImageSource> {
  const { excludedPaths, oneFileSystem, parent, codec, tmpDir, signal } = options;
  return new FolderSource({
    path,
    excludedPaths,
    oneFileSystem,
    parent:
      parent === undefined
        ? undefined
        : await openImage(parent, { codec, tmpDir, isResident: true, signal }),
  });
}

async function openTar(path: string, options: OpenSourceOptions): Promise<ImageSource> {
  if (path === '-') {
    const stdin = options.stdin?.();
    if (stdin === undefined) throw new G8Error('ERR_USAGE', 'Standard input is a terminal');
    const name = 'Standard input';
    const layers = [streamLayer(name, stdin)];
    return new LayersSource({ name, layers, whiteouts: false, onEntry: flistGuard(name) });
  }
  const { size } = await statOf(path);
  return new LayersSource({ name: path, layers: [fileLayer(path, size)], whiteouts: false });
}

/** A flist is a tar, too: as one it would make an image of its own members. */
function flistGuard(name: string): (entry: TarEntry) => void {
  let isDecided = false;
  return ({ type, path }) => {
    if (isDecided || type === 'directory') return;
    const isFlist = isPackageMember(Buffer.from(path).toString('latin1'));
    isDecided = isFlist !== undefined;
    if (isFlist !== true) return;
    throw new G8Error('ERR_USAGE', `${name} is a flist; only a file or URL of one can be a source`);
  };
}

async function openFlist(name: string, options: OpenSourceOptions): Promise<ImageSource> {
  const { codec, tmpDir, signal, openStore, keepBlockSize } = options;
  const flist = await loadFlist(name, { codec, tmpDir, signal });
  return new FlistSource({ flist, openStore: () => openStore(flist), keepBlockSize });
}

// Loaded when they are wanted: they bring an HTTP client along.
async function openOciLayout(text: string, options: OpenSourceOptions): Promise<ImageSource> {
  const { openLayoutSource } = await import('../oci/source.ts');
  return await openLayoutSource(text, imageOptions(options));
}

async function openDockerArchive(text: string, options: OpenSourceOptions): Promise<ImageSource> {
  const { openArchiveSource } = await import('../oci/source.ts');
  return await openArchiveSource(text, imageOptions(options));
}

async function openRegistry(text: string, options: OpenSourceOptions): Promise<ImageSource> {
  const { openRegistrySource } = await import('../oci/source.ts');
  return openRegistrySource(text, imageOptions(options));
}

function imageOptions({ oci, tmpDir }: OpenSourceOptions): OciSourceOptions {
  return { tmpDir, ...oci };
}

function refuseImageFlags({ platform, insecureRegistry, unpackLimit }: OciSourceOptions = {}) {
  const flags = [
    ['--platform', platform !== undefined],
    ['--insecure-registry', insecureRegistry === true],
    ['--unpack-limit', unpackLimit !== undefined],
  ] as const;
  for (const [flag, isGiven] of flags) {
    if (isGiven) throw new G8Error('ERR_USAGE', `${flag} is for OCI and docker images`);
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${path} cannot be opened`);
  }
}
