/**
 * Opens a flist to look into it without mounting: its mount index lies in a temporary folder and is read
 * page by page. Each image is on its own and owns its folder.
 */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blake2b } from '../base/blake2b.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { type Metadata, parseMetadata } from '../format/flist/metadata.ts';
import type { Generation } from '../format/flist/package.ts';
import { ContentsReader } from '../format/index/contents-reader.ts';
import { MountIndexReader } from '../format/index/reader.ts';
import type { CodecBinding, StreamBinding } from '../native/addon.ts';
import { decodeStream } from './decompress.ts';
import { fetchPackage, isUrl } from './fetch.ts';
import {
  type FileSource,
  openFileSource,
  openResidentSource,
  PAGE_SIZE,
  SMALL_PAGE_SIZE,
} from './file-source.ts';
import { fileStream } from './file-stream.ts';
import { INDEX_FILES, METADATA_FILE, ROUTER_FILE } from './index-files.ts';
import { namedError } from './named-error.ts';
import { unpackIndex } from './unpack.ts';

const ROOT_CONTEXT = Buffer.from('g8ufs root 1\0');
const READ_SIZE = 1024 * 1024;

/** A package that is neither a file nor a URL. */
export interface PackageBytes {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Called once. No more is read than is needed; then the iterator is told to return. */
  read(): AsyncIterable<Uint8Array>;
}

export interface OpenImageOptions {
  readonly codec: Pick<CodecBinding, 'digestFile'> & StreamBinding;
  /** Where the temporary folder goes; default the system's. */
  readonly tmpDir?: string | undefined;
  /**
   * `paths`: only a few are looked at, through {@link Image.load}. Of a package with parts (docs/format.md,
   * section 2.2) no more than those on the way are read then. Default `all`.
   */
  readonly scope?: 'paths' | 'all' | undefined;
  /** All of it is read, in no order: the mount index is kept in memory. Default false. */
  readonly isResident?: boolean | undefined;
  /** Bytes that the package may unpack to; default `PACKAGE_SIZE_MAX`. */
  readonly unpackedSizeMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Image {
  /** As it was named. */
  readonly source: string;
  readonly generation: Generation;
  /** The package had no mount index: it was built from the records. */
  readonly built: boolean;
  /** Bytes of the package; `undefined` when a server does not say. */
  readonly flistSize: number | undefined;
  readonly index: MountIndexReader;
  readonly contents: ContentsReader;
  /** Text of the package's `router.yaml`. */
  readonly router: string | undefined;
  /** Settings that go with the flist. */
  readonly metadata: Metadata;
  /**
   * Runs work on `index` and `contents` that has no effects: it is run again when something that it reads had
   * to be fetched first. Only an image that was opened for paths needs that.
   */
  load<T>(work: () => T): Promise<T>;
  /** Digest that names the tree, in hex. */
  rootDigest(): Promise<string>;
  /** Removes the temporary folder. Idempotent. */
  close(): Promise<void>;
}

/**
 * @param source path of a flist, its http(s) URL, or its bytes
 * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_FLIST_VERSION, ERR_IO; ERR_STORE_UNAVAILABLE and its kin
 *   for a URL
 */
export async function openImage(
  source: string | PackageBytes,
  options: OpenImageOptions,
): Promise<Image> {
  const dir = await makeFolder(options.tmpDir ?? tmpdir());
  const opened: FileSource[] = [];
  const close = async (): Promise<void> => {
    for (const file of opened) file.close();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    if (options.scope === 'paths' && typeof source === 'string') {
      const { openParts } = await import('./open-parts.ts');
      const openWhole = () => openImage(source, { ...options, scope: 'all' });
      const { signal } = options;
      const image = await openParts(source, dir, { signal, openWhole, close });
      if (image !== undefined) return image;
    }
    const unpacked = await unpackSource(source, dir, options);
    const [erofs, contents, chunks] = INDEX_FILES.map((name) => {
      // Contents lie in the order of their digests, which is none for who walks the tree.
      const pageSize = name === INDEX_FILES[0] ? PAGE_SIZE : SMALL_PAGE_SIZE;
      const path = join(dir, name);
      const file = options.isResident ? openResidentSource(path) : openFileSource(path, pageSize);
      opened.push(file);
      return file;
    }) as [FileSource, FileSource, FileSource];
    return {
      source: typeof source === 'string' ? source : source.name,
      ...unpacked,
      index: new MountIndexReader(erofs),
      contents: new ContentsReader(contents, chunks),
      router: await readFile(join(dir, ROUTER_FILE), 'utf8').catch(absent),
      metadata: parseMetadata(
        (await readFile(join(dir, METADATA_FILE), 'utf8').catch(absent)) ?? '{}',
      ),
      load: async (work) => work(),
      rootDigest: () => rootDigestOf(dir, options.codec),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Unpacked = Pick<Image, 'built' | 'generation' | 'flistSize'>;

async function unpackSource(
  source: string | PackageBytes,
  dir: string,
  options: OpenImageOptions,
): Promise<Unpacked> {
  if (typeof source === 'string') {
    return await (isUrl(source) ? unpackUrl : unpackFile)(source, dir, options);
  }
  try {
    return { ...(await unpack(source.read(), dir, options)), flistSize: source.size };
  } catch (error) {
    throw namedError(error, source.name);
  }
}

async function unpackFile(
  source: string,
  dir: string,
  options: OpenImageOptions,
): Promise<Unpacked> {
  const { signal } = options;
  const path = await fetchPackage(source, dir, signal);
  const flistSize = await sizeOf(path);
  const bytes = fileStream(path, { highWaterMark: READ_SIZE, signal });
  try {
    return { ...(await unpack(bytes, dir, options)), flistSize };
  } catch (error) {
    throw namedError(error, source);
  } finally {
    bytes.destroy();
  }
}

/** Takes no more from the server than the mount index and what stands before the records. */
async function unpackUrl(url: string, dir: string, options: OpenImageOptions): Promise<Unpacked> {
  const { HttpClient } = await import('../store/http-client.ts');
  const { streamFlist } = await import('../store/flist-stream.ts');
  const { flistLogin } = await import('../store/logins.ts');
  const client = new HttpClient(url, { login: flistLogin(url) });
  let flistSize: number | undefined;
  try {
    const bytes = streamFlist(client, '', {
      signal: options.signal,
      onSize: (size) => {
        flistSize = size;
      },
    });
    return { ...(await unpack(bytes, dir, options)), flistSize };
  } finally {
    // What is still on its way is for nobody.
    await client.close();
  }
}

function unpack(bytes: AsyncIterable<Uint8Array>, dir: string, options: OpenImageOptions) {
  const { codec, unpackedSizeMax } = options;
  return unpackIndex(bytes, dir, {
    zstdDecompress: (packed) => decodeStream('zstd-decode', packed, codec),
    isTemporary: true,
    ...(unpackedSizeMax !== undefined && { totalSizeMax: unpackedSizeMax }),
  });
}

async function sizeOf(path: string): Promise<number> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new G8Error('ERR_NO_INPUT', `${path} is not a flist file`);
    return info.size;
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `${path} cannot be opened`);
  }
}

// docs/format.md, section 7; the two large digests are made by the addon.
/** Root digest in hex of the index files in a folder. */
export async function rootDigestOf(dir: string, codec: OpenImageOptions['codec']): Promise<string> {
  const [erofs, contents] = await Promise.all([
    codec.digestFile(join(dir, INDEX_FILES[0])),
    codec.digestFile(join(dir, INDEX_FILES[1])),
  ]);
  return Buffer.from(blake2b(Buffer.concat([ROOT_CONTEXT, erofs, contents]), 32)).toString('hex');
}

async function makeFolder(parent: string): Promise<string> {
  try {
    return await mkdtemp(join(parent, 'g8ufs-'));
  } catch (error) {
    throw toG8Error(error, 'ERR_CREATE', `No temporary folder can be made in ${parent}`);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw toG8Error(error, 'ERR_IO', 'What was unpacked of the flist cannot be read');
}
