/**
 * From a packed flist to the files a mount works from: takes the mount index out of the package, or builds
 * it from the records when the package has none. Writes only into the folder it is given.
 */
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { blake2bReady } from '../base/blake2b.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import { syncFilesIn } from '../base/sync-folder.ts';
import { formatMetadata, METADATA_SIZE_MAX } from '../format/flist/metadata.ts';
import { readFlist } from '../format/flist/open.ts';
import { type Generation, unpackFlist } from '../format/flist/package.ts';
import { buildMountIndex } from '../format/index/writer.ts';
import { INDEX_FILES, METADATA_FILE, ROUTER_FILE } from './index-files.ts';

/** Members beside the index that are kept as they are. */
const KEPT_SIZES_MAX: Readonly<Record<string, number>> = {
  // A router names a few dozen pools at most; the historical ones are below 4 KiB.
  [ROUTER_FILE]: 1024 * 1024,
  [METADATA_FILE]: METADATA_SIZE_MAX,
};
/** Records are held in memory while an index is built: ten million entries stay below this. */
const RECORDS_SIZE_MAX = 2 * 1024 * 1024 * 1024;

export interface UnpackOptions {
  /** Decompresses zstd packages; without it they are refused. */
  readonly zstdDecompress?: (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  /** Bytes that the package may unpack to; default `PACKAGE_SIZE_MAX`. */
  readonly totalSizeMax?: number;
  /** The folder does not outlive the process: nothing is synced. Default false. */
  readonly isTemporary?: boolean;
}

export interface UnpackedIndex {
  readonly generation: Generation;
  /** It had to be built from records. */
  readonly built: boolean;
}

/**
 * @param source bytes of the package, any generation and compression
 * @param dir empty folder; afterwards it has the three index files and `router.yaml` and
 *   `metadata.json` if the package has them. Nothing behind those is read of a package that has an index
 * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION, ERR_IO
 */
export async function unpackIndex(
  source: AsyncIterable<Uint8Array>,
  dir: string,
  options: UnpackOptions = {},
): Promise<UnpackedIndex> {
  const unpacked = await unpack(source, dir, options);
  // The folder is renamed into place when it is whole: its files must survive a power cut by then.
  if (options.isTemporary !== true) await syncFilesIn(dir);
  return unpacked;
}

async function unpack(
  source: AsyncIterable<Uint8Array>,
  dir: string,
  options: UnpackOptions,
): Promise<UnpackedIndex> {
  const shipped = new Set<string>();
  const records = new Map<string, Uint8Array>();
  let recordsSize = 0;
  const complete = (): boolean => shipped.size === INDEX_FILES.length;

  await unpackFlist(
    source,
    async (name, size, body) => {
      const keptSizeMax = KEPT_SIZES_MAX[name];
      if ((INDEX_FILES as readonly string[]).includes(name)) {
        await writeMember(join(dir, name), body);
        shipped.add(name);
      } else if (keptSizeMax !== undefined) {
        if (size > keptSizeMax) throw tooLarge(name, size);
        await writeFile(join(dir, name), await collect(body, size));
      } else if (complete()) {
        return 'stop';
      } else {
        recordsSize += size;
        if (recordsSize > RECORDS_SIZE_MAX) throw tooLarge(name, size);
        records.set(name, await collect(body, size));
      }
      return undefined;
    },
    options,
  );
  if (complete()) return { generation: 'ours', built: false };

  const flist = await readFlist(records);
  await blake2bReady();
  const index = buildMountIndex(flist.tree());
  await writeMember(join(dir, INDEX_FILES[0]), index.erofs());
  await writeMember(join(dir, INDEX_FILES[1]), index.contents());
  await writeMember(join(dir, INDEX_FILES[2]), index.chunks());
  if (flist.metadata.size > 0) {
    await writeFile(join(dir, METADATA_FILE), formatMetadata(flist.metadata));
  }
  return { generation: flist.generation, built: true };
}

function tooLarge(name: string, size: number): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Member ${name} of the flist is too large`, {
    details: { name, size },
  });
}

async function writeMember(
  path: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  try {
    await pipeline(body, createWriteStream(path, { flags: 'wx', mode: 0o444 }));
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${path} cannot be written`);
  }
}

async function collect(body: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  for await (const piece of body) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}
