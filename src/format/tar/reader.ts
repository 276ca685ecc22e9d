/**
 * Reads tar archives as they stream by: V7, ustar, PAX, GNU and what star and libarchive add. Names are
 * bytes, nothing in an archive is trusted, and what is held in memory does not grow with it. Pure; for
 * one caller, one call at a time.
 *
 * An archive ends with its first block of zeros, or without one exactly behind an entry (as with GNU
 * tar); ending anywhere else it is cut off. Up to 64 MiB behind the end are read and dropped.
 */
import { compareBytes } from '../../base/bytes.ts';
import { TARGET_SIZE_MAX } from '../tree.ts';
import type { TarEntry, TarRegion, TarType } from './entry.ts';
import { decodeTarHeader, isZeroBlock, TAR_BLOCK_SIZE, type TarHeader } from './header.ts';
import { TarInput } from './input.ts';
import { malformedTar } from './malformed.ts';
import { endsWithSlash, normalizeTarPath } from './path.ts';
import { addPaxRecords, PAX_SIZE_MAX, type PaxFields } from './pax.ts';
import { readOldMap, type SparseMap } from './sparse.ts';

/** GNU tar's headers for long names hold one path. */
const LONG_NAME_SIZE_MAX = 64 * 1024;
/** One of each kind makes sense. */
const HEADERS_IN_FRONT_MAX = 16;
/** Far above the records of 10 KiB to a few MiB that archives are filled up to. */
const TRAILER_SIZE_MAX = 64 * 1024 * 1024;
const ID_MAX = 0xffffffff;

/** Types by their flag. Old GNU flags that need other archives are not among them. */
const TYPES: Readonly<Record<string, TarType | undefined>> = {
  '\0': 'file',
  '0': 'file',
  // Contiguous files are plain ones.
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  // A folder of an incremental archive, with a list of its names as data.
  D: 'directory',
  '6': 'fifo',
};

/** Headers in front of an entry's own, and what they say of it. */
interface Front {
  readonly offset: number;
  readonly fields: PaxFields;
  longName: Uint8Array | undefined;
  longLink: Uint8Array | undefined;
  count: number;
}

export class TarReader {
  readonly #input: TarInput;
  #global: PaxFields = {};
  /** Bytes of the current entry's data that are left, and of the filling behind them. */
  #dataLeft = 0;
  #padding = 0;
  #current: Uint8Array = new Uint8Array(0);
  #isEnded = false;

  /** @param source the archive, decompressed */
  constructor(source: AsyncIterable<Uint8Array>) {
    this.#input = new TarInput(source);
  }

  /** Bytes of the archive taken so far. */
  get position(): number {
    return this.#input.position;
  }

  /**
   * Goes on to the next entry; what is left of the current one's data is skipped.
   *
   * @returns `undefined` at the end of the archive
   * @throws ERR_FLIST_FORMAT saying where; what the source throws
   */
  async next(): Promise<TarEntry | undefined> {
    if (this.#isEnded) return undefined;
    await this.#finishEntry();
    const front: Front = {
      offset: this.#input.position,
      fields: { ...this.#global },
      longName: undefined,
      longLink: undefined,
      count: 0,
    };
    for (;;) {
      const offset = this.#input.position;
      const block = await this.#headerBlock(front);
      if (block === undefined) return undefined;
      const header = decodeTarHeader(block, offset);
      if (!(await this.#takeFront(header, front, offset))) {
        return await this.#entry(header, block, front, offset);
      }
    }
  }

  /**
   * The next bytes of the current entry's data, as many as are at hand, at most `sizeMax`. Of a sparse
   * file only what its regions name, one region after the other. Valid until the next call.
   *
   * @returns `undefined` behind the last byte
   * @throws ERR_FLIST_FORMAT when the archive is cut off
   */
  async readSome(sizeMax: number): Promise<Uint8Array | undefined> {
    if (this.#dataLeft === 0) return undefined;
    const some = await this.#input.readSome(Math.min(sizeMax, this.#dataLeft));
    if (some.length === 0) throw this.#cutOff(this.#current);
    this.#dataLeft -= some.length;
    return some;
  }

  /**
   * Exactly `size` bytes of the current entry's data, which has as many left. They stay valid when the
   * source does not reuse its pieces.
   *
   * @throws ERR_FLIST_FORMAT when the archive is cut off
   */
  async read(size: number): Promise<Uint8Array> {
    if (size > this.#dataLeft) throw new RangeError(`Entry has ${this.#dataLeft} bytes left`);
    const bytes = await this.#input.read(size);
    if (bytes.length < size) throw this.#cutOff(this.#current);
    this.#dataLeft -= size;
    return bytes;
  }

  /** Ends the source. Idempotent. */
  async close(): Promise<void> {
    this.#isEnded = true;
    await this.#input.close();
  }

  async #finishEntry(): Promise<void> {
    if (!(await this.#input.skip(this.#dataLeft + this.#padding))) {
      throw this.#cutOff(this.#current);
    }
    this.#dataLeft = 0;
    this.#padding = 0;
  }

  /** @returns `undefined` at the end of the archive */
  async #headerBlock(front: Front): Promise<Uint8Array | undefined> {
    const block = await this.#input.read(TAR_BLOCK_SIZE);
    const isBorder = block.length === 0 || (block.length === TAR_BLOCK_SIZE && isZeroBlock(block));
    if (!isBorder) {
      if (block.length < TAR_BLOCK_SIZE) throw this.#cutOff();
      return block;
    }
    if (front.count > 0) throw this.#cutOff();
    if (this.#input.position === 0) throw malformedTar(0, 'it is empty');
    if (block.length > 0) await this.#drain();
    this.#isEnded = true;
    return undefined;
  }

  // Whoever writes into the other end of a pipe is not to fail because the archive has ended.
  async #drain(): Promise<void> {
    const end = this.#input.position;
    while (this.#input.position - end <= TRAILER_SIZE_MAX) {
      if ((await this.#input.readSome(TRAILER_SIZE_MAX)).length === 0) return;
    }
    throw malformedTar(end, `more than ${TRAILER_SIZE_MAX} bytes follow its end`);
  }

  /** @returns whether the header only says something of entries that follow */
  async #takeFront(header: TarHeader, front: Front, offset: number): Promise<boolean> {
    const { typeflag, size } = header;
    const data = (sizeMax: number): Promise<Uint8Array> => this.#frontData(size, sizeMax, offset);
    switch (typeflag) {
      case 'x':
      case 'X':
        addPaxRecords(front.fields, await data(PAX_SIZE_MAX), offset);
        break;
      case 'g':
        // The archive may end behind it.
        this.#addGlobal(await data(PAX_SIZE_MAX), front, offset);
        return true;
      case 'L':
        front.longName = upToNul(await data(LONG_NAME_SIZE_MAX));
        break;
      case 'K':
        front.longLink = upToNul(await data(LONG_NAME_SIZE_MAX));
        break;
      case 'V':
        // The label of a volume.
        await data(LONG_NAME_SIZE_MAX);
        return true;
      default:
        return false;
    }
    if (++front.count > HEADERS_IN_FRONT_MAX) {
      throw malformedTar(offset, `more than ${HEADERS_IN_FRONT_MAX} headers for one entry`);
    }
    return true;
  }

  async #frontData(size: number, sizeMax: number, offset: number): Promise<Uint8Array> {
    if (size < 0 || size > sizeMax) throw malformedTar(offset, `a header of ${size} bytes`);
    const data = (await this.#input.read(size)).slice();
    if (data.length < size || !(await this.#input.skip(paddingOf(size)))) throw this.#cutOff();
    return data;
  }

  #addGlobal(data: Uint8Array, front: Front, offset: number): void {
    addPaxRecords(this.#global, data, offset);
    // Of what belongs to one file, a global header can say nothing.
    const { uid, gid, mtime } = this.#global;
    this.#global = {
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
      ...(mtime !== undefined && { mtime }),
    };
    Object.assign(front.fields, { ...this.#global, ...front.fields });
  }

  async #entry(
    header: TarHeader,
    block: Uint8Array,
    { fields, longName, longLink, offset: headerOffset }: Front,
    offset: number,
  ): Promise<TarEntry> {
    const rawPath = fields.sparse?.name ?? fields.path ?? longName ?? header.name;
    const rawLink = fields.linkPath ?? longLink ?? header.linkName;
    const path = normalizeTarPath(rawPath, offset);
    const type = typeOf(header, rawPath, offset);
    this.#current = path;
    const isOldSparse = header.typeflag === 'S';
    const storedSize = type === 'file' ? (fields.size ?? header.size) : dumpSize(header);
    if (storedSize < 0) throw malformedTar(offset, `a size of ${storedSize} bytes`, path);
    let sparse: SparseMap | undefined;
    const start = this.#input.position;
    if (isOldSparse) sparse = await readOldMap(block, this.#input, storedSize, offset);
    else if (type === 'file' && fields.sparse !== undefined) {
      sparse = await fields.sparse.toMap(this.#input, storedSize, offset);
    }
    const taken = isOldSparse ? 0 : this.#input.position - start;
    this.#dataLeft = storedSize - taken;
    this.#padding = paddingOf(storedSize);
    const isDevice = type === 'character' || type === 'block';
    const uid = checkId(fields.uid ?? header.uid, offset, path);
    const gid = checkId(fields.gid ?? header.gid, offset, path);
    const target = targetOf(type, rawLink, offset, path);
    const xattrs = sortedXattrs(fields);
    const { seconds, nanoseconds } = fields.mtime ?? { seconds: header.mtime, nanoseconds: 0 };
    return {
      type,
      path,
      mode: header.mode & 0o7777,
      uid,
      gid,
      mtimeSeconds: seconds,
      mtimeNanoseconds: nanoseconds,
      size: type === 'file' ? (sparse?.size ?? storedSize) : 0,
      ...(target !== undefined && { target }),
      ...(isDevice && {
        rdevMajor: checkId(fields.rdevMajor ?? header.rdevMajor, offset, path),
        rdevMinor: checkId(fields.rdevMinor ?? header.rdevMinor, offset, path),
      }),
      ...(xattrs !== undefined && { xattrs }),
      ...(sparse !== undefined && { regions: sparse.regions }),
      headerOffset,
    };
  }

  #cutOff(name?: Uint8Array): Error {
    return malformedTar(this.#input.position, 'it is cut off', name);
  }
}

/** The regions of a file that its data fills, one after the other; of one that is not sparse, all of it. */
export function regionsOf(entry: Pick<TarEntry, 'size' | 'regions'>): readonly TarRegion[] {
  return entry.regions ?? (entry.size === 0 ? [] : [{ offset: 0, length: entry.size }]);
}

function typeOf(header: TarHeader, rawPath: Uint8Array, offset: number): TarType {
  const type = TYPES[header.typeflag];
  if (type === undefined) {
    const flag = JSON.stringify(header.typeflag);
    throw malformedTar(offset, `entries of type ${flag} are unknown`, rawPath);
  }
  // Before there was a type for them, directories were files with a slash at the end.
  return type === 'file' && header.typeflag !== 'S' && endsWithSlash(rawPath) ? 'directory' : type;
}

// Whatever the header of a link, folder or device says, no data follows it; but for an incremental
// archive's list of names.
function dumpSize(header: TarHeader): number {
  return header.typeflag === 'D' ? header.size : 0;
}

function targetOf(
  type: TarType,
  target: Uint8Array,
  offset: number,
  path: Uint8Array,
): Uint8Array | undefined {
  if (type === 'link') return normalizeTarPath(target, offset);
  if (type !== 'symlink') return undefined;
  if (target.length === 0 || target.length > TARGET_SIZE_MAX || target.includes(0)) {
    throw malformedTar(offset, `a link target of ${target.length} bytes`, path);
  }
  return target;
}

function sortedXattrs({ xattrs }: PaxFields): TarEntry['xattrs'] {
  if (xattrs === undefined || xattrs.size === 0) return undefined;
  return [...xattrs.values()].sort((a, b) => compareBytes(a.name, b.name));
}

function checkId(id: number, offset: number, path: Uint8Array): number {
  if (id < 0 || id > ID_MAX) throw malformedTar(offset, `the number ${id} is out of range`, path);
  return id;
}

function upToNul(data: Uint8Array): Uint8Array {
  const nul = data.indexOf(0);
  return nul < 0 ? data : data.subarray(0, nul);
}

function paddingOf(size: number): number {
  return (TAR_BLOCK_SIZE - (size % TAR_BLOCK_SIZE)) % TAR_BLOCK_SIZE;
}
