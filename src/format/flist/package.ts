/**
 * The file that a flist is: a tar of a few members, mostly compressed. Layout: docs/format.md,
 * section 2. Streams in both directions and touches no files: sources and members are iterables. Each
 * call has a pipeline of its own and ends it, whatever happens.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';

import { compareBytes } from '../../base/bytes.ts';
import { G8Error, isG8Error } from '../../base/errors.ts';
import { gzipParts } from './parts.ts';
import { type PackageMember, tarSizeOf, writeTar } from './tar-writer.ts';

/** Names with a meaning. The database's other files are named by its engine. */
export const MEMBER = {
  erofs: 'mount.erofs',
  contents: 'mount.contents',
  chunks: 'mount.chunks',
  current: 'CURRENT',
  sqlite: 'flistdb.sqlite3',
  router: 'router.yaml',
  metadata: 'metadata.json',
} as const;

type Bytes = AsyncIterable<Uint8Array>;

export interface PackOptions {
  /** Default `gzip`. A function compresses with zstd. */
  readonly compression?: 'gzip' | 'none' | ((tar: Bytes) => Bytes);
}

export interface UnpackOptions {
  /** Default {@link MEMBER_COUNT_MAX}. */
  readonly memberCountMax?: number;
  /** Bytes of the whole tar; default {@link PACKAGE_SIZE_MAX}. */
  readonly totalSizeMax?: number;
  /** Decompresses zstd packages; without it they are refused. */
  readonly zstdDecompress?: (source: Bytes) => Bytes;
}

/**
 * Takes a member. What it leaves of `body` is skipped. `stop` ends reading: nothing more is taken
 * from the source.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: most handlers are plain async functions
export type MemberHandler = (name: string, size: number, body: Bytes) => Promise<void | 'stop'>;

/** A database of 32 GiB in RocksDB's smallest usual files of 2 MiB. */
export const MEMBER_COUNT_MAX = 16_384;
/** Five million entries with their mount index, several times over. */
export const PACKAGE_SIZE_MAX = 8 * 1024 ** 3;
/** What {@link collectFlist} holds in memory at most. */
const COLLECTED_SIZE_MAX = 2 * 1024 ** 3;

const GZIP_HEADER_SIZE = 10;
const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;
const MAGIC_SIZE = 4;
const MAGIC_GZIP = /^1f8b/;
// A skippable frame comes first in what parallel compressors write.
const MAGIC_ZSTD = /^(28b52ffd|5.2a4d18)/;
/** What is unpacked at once. With zlib's own 16 KiB the trips to its thread took longer than its work. */
const PLAIN_CHUNK_SIZE = 256 * 1024;
/** How many chunks a stream of this module reads ahead. */
const READ_AHEAD_CHUNKS = 2;

/** Members in the order in which they are written: what a mount needs, then the records. */
const ORDER: readonly RegExp[] = [
  /^mount\.erofs$/,
  /^mount\.contents$/,
  /^mount\.chunks$/,
  /^router\.yaml$/,
  /^metadata\.json$/,
  /^CURRENT$/,
  /^MANIFEST-/,
  /\.sst$/,
];

/**
 * Writes a package: the same members give the same tar, whatever their order, and with the same
 * zlib the same bytes.
 *
 * @throws RangeError when a member cannot be in a tar, ERR_CREATE when a member gives another number
 *   of bytes than it announced
 */
export async function* packFlist(
  members: Iterable<PackageMember>,
  options: PackOptions = {},
): AsyncGenerator<Uint8Array> {
  const sorted = [...members].sort(compareMembers);
  const { compression = 'gzip' } = options;
  // Parts are for readers of mount indexes; historical forms stay as they were.
  const hasParts = sorted[0]?.name === MEMBER.erofs;
  if (compression === 'gzip' && hasParts) yield* gzipParts(writeTar(sorted), tarSizeOf(sorted));
  else if (compression === 'gzip') yield* gzipped(writeTar(sorted));
  else if (compression === 'none') yield* writeTar(sorted);
  else yield* compression(writeTar(sorted));
}

async function* gzipped(tar: Bytes): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  pipeline(chunkStream(tar), gzip, () => {});
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of gzip as AsyncIterable<Buffer>) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < GZIP_HEADER_SIZE) continue;
    // zlib names the system it was built for.
    head[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN;
    yield head;
    head = undefined;
  }
}

function compareMembers(a: PackageMember, b: PackageMember): number {
  const rank = ({ name }: PackageMember) => {
    const index = ORDER.findIndex((pattern) => pattern.test(name));
    return index < 0 ? ORDER.length : index;
  };
  return rank(a) - rank(b) || compareBytes(Buffer.from(a.name), Buffer.from(b.name));
}

/**
 * Reads a package of any generation and hands its members to `onMember`, one after the other, under
 * their bare names.
 *
 * An uncompressed tar that ends exactly behind a member is taken as whole: historical packages have
 * no end marker.
 *
 * @throws ERR_FLIST_FORMAT when it is damaged, cut off or not a package of plain files at one level;
 *   what the source or `onMember` throw
 */
export async function unpackFlist(
  source: Bytes,
  onMember: MemberHandler,
  options: UnpackOptions = {},
): Promise<void> {
  const foreign = new ForeignErrors();
  const plain = decompress(foreign.pass(source), options.zstdDecompress);
  const tar = extract();
  const limited = bounded(plain, options.totalSizeMax ?? PACKAGE_SIZE_MAX);
  pipeline(chunkStream(limited), tar, () => {});
  const names = new MemberNames(options.memberCountMax ?? MEMBER_COUNT_MAX);
  try {
    for await (const entry of tar) {
      const name = names.accept(entry.header);
      const chunks = (entry as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      if (name !== undefined) {
        const size = entry.header.size ?? 0;
        const answer = await foreign.call(() => onMember(name, size, bodyOf(chunks, foreign)));
        if (answer === 'stop') return;
      }
      await skip(chunks);
    }
  } catch (error) {
    throw foreign.has(error) ? error : damaged(error);
  }
}

async function* bodyOf(
  chunks: AsyncIterator<Uint8Array>,
  foreign: ForeignErrors,
): AsyncGenerator<Uint8Array> {
  try {
    yield* remaining(chunks);
  } catch (error) {
    throw foreign.has(error) ? error : damaged(error);
  }
}

/**
 * Reads a whole package into memory.
 *
 * @param options `totalSizeMax` is 2 GiB by default
 * @throws as {@link unpackFlist}
 */
export async function collectFlist(
  source: Bytes,
  options: UnpackOptions = {},
): Promise<Map<string, Uint8Array>> {
  const members = new Map<string, Uint8Array>();
  await unpackFlist(
    source,
    async (name, _size, body) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      members.set(name, new Uint8Array(Buffer.concat(chunks)));
    },
    { totalSizeMax: COLLECTED_SIZE_MAX, ...options },
  );
  return members;
}

export type Generation = 'ours' | 'g1' | 'sqlite';

/**
 * Which generation a package with these members is of.
 *
 * @throws ERR_FLIST_FORMAT when it is none
 */
export function detectGeneration(names: Iterable<string>): Generation {
  const all = new Set(names);
  const hasManifest = [...all].some((name) => name.startsWith('MANIFEST-'));
  if (all.has(MEMBER.current) && hasManifest) return all.has(MEMBER.erofs) ? 'ours' : 'g1';
  if (all.has(MEMBER.sqlite)) return 'sqlite';
  throw new G8Error('ERR_FLIST_FORMAT', 'Flist package has no metadata database');
}

/** Members that only a flist begins with; others of the engines' files may be in front of them. */
const DECISIVE = /^(mount\.erofs|CURRENT|MANIFEST-\d+|flistdb\.sqlite3)$/;
const COMPANIONS =
  /^(mount\.\w+|router\.yaml|metadata\.json|\d+\.(sst|log)|OPTIONS-\d+|IDENTITY|LOCK|LOG(\.old\.\d+)?)$/;

/**
 * Tells a flist from any other tar by the name of a member, one after the other: `undefined` when the next
 * one has to be asked.
 *
 * @param path without `./` in front
 */
export function isPackageMember(path: string): boolean | undefined {
  const name = path.replace(/^[^/]+\//, '');
  if (DECISIVE.test(name)) return true;
  return COMPANIONS.test(name) ? undefined : false;
}

/** Checks members' headers and gives their bare names. */
class MemberNames {
  readonly #names = new Set<string>();
  readonly #countMax: number;
  #count = 0;
  /** The directory that all members are in; empty when they are in none. */
  #directory: string | undefined;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** @returns `undefined` for a directory, which is not handed out */
  accept(header: Header): string | undefined {
    if (++this.#count > this.#countMax) throw refused('has too many members');
    const path = header.name.replace(/^(\.\/+)+/, '');
    if (header.type === 'directory') {
      if (!/^(\.?\/*|[^/]+\/*)$/.test(path) || /^\.\.\/*$/.test(path)) {
        throw refused(`has the directory ${JSON.stringify(header.name)}`);
      }
      return undefined;
    }
    if (header.type !== 'file') {
      throw refused(`has ${JSON.stringify(header.name)}, which is no plain file`);
    }
    const [, directory = '', name = ''] = /^(?:([^/]+)\/)?([^/]+)$/.exec(path) ?? [];
    this.#directory ??= directory;
    const isBare = name !== '' && !/[\0]/.test(path) && !isDots(name) && !isDots(directory);
    if (!isBare || directory !== this.#directory || this.#names.has(name)) {
      throw refused(`has a member with the bad name ${JSON.stringify(header.name)}`);
    }
    this.#names.add(name);
    return name;
  }
}

function isDots(name: string): boolean {
  return name === '.' || name === '..';
}

async function* bounded(source: Bytes, sizeMax: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > sizeMax) throw refused('is too large');
    yield chunk;
  }
}

/** Keeps the errors of others apart from those of damaged bytes. */
class ForeignErrors {
  readonly #errors = new Set<unknown>();

  has(error: unknown): boolean {
    return this.#errors.has(error);
  }

  async call<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      this.#errors.add(error);
      throw error;
    }
  }

  async *pass(source: Bytes): AsyncGenerator<Uint8Array> {
    const chunks = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.call(() => Promise.resolve(chunks.next()));
        if (done === true) return;
        yield value;
      }
    } finally {
      await chunks.return?.();
    }
  }
}

/** Plain bytes of a package that may be compressed, as its first bytes tell. */
async function* decompress(
  source: Bytes,
  zstdDecompress: UnpackOptions['zstdDecompress'],
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    let head = Buffer.alloc(0);
    while (head.length < MAGIC_SIZE) {
      const { done, value } = await chunks.next();
      if (done === true) throw refused('is cut off');
      head = Buffer.concat([head, value]);
    }
    const all = remaining(chunks, head);
    const magic = head.toString('hex', 0, MAGIC_SIZE);
    if (MAGIC_GZIP.test(magic)) {
      const gunzip = createGunzip({ chunkSize: PLAIN_CHUNK_SIZE });
      pipeline(chunkStream(all), gunzip, () => {});
      yield* gunzip as Bytes;
    } else if (MAGIC_ZSTD.test(magic)) {
      if (zstdDecompress === undefined) throw refused('is compressed with zstd');
      yield* zstdDecompress(all);
    } else {
      yield* all;
    }
  } finally {
    await chunks.return?.();
  }
}

/** What an iterator has left. Ending the loop over it early leaves the iterator as it is. */
async function* remaining(
  chunks: AsyncIterator<Uint8Array>,
  head?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  if (head !== undefined) yield head;
  for (;;) {
    const { done, value } = await chunks.next();
    if (done === true) return;
    yield value;
  }
}

async function skip(chunks: AsyncIterator<Uint8Array>): Promise<void> {
  while ((await chunks.next()).done !== true);
}

function chunkStream(source: Bytes): Readable {
  return Readable.from(source, { highWaterMark: READ_AHEAD_CHUNKS });
}

function refused(what: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Flist package ${what}`);
}

function damaged(error: unknown): G8Error {
  if (isG8Error(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new G8Error('ERR_FLIST_FORMAT', `Flist package is damaged: ${reason}`, { cause: error });
}
