/**
 * What an ELF file needs to be run: its interpreter and its libraries, read without running anything.
 * Pure over a byte source; a malformed file is no ELF file to us.
 *
 * @see elf(5), ld.so(8)
 */
import type { ByteSource } from '../format/index/source.ts';

export interface Elf {
  /** 32 or 64 bit, byte order and machine, as one word: libraries must have the same. */
  readonly kind: string;
  /** Path of the program interpreter; shared libraries have none. */
  readonly interpreter: string | undefined;
  /** Names of libraries, in order. */
  readonly needed: readonly string[];
  /** Folders to search first; may begin with `$ORIGIN`. */
  readonly runPaths: readonly string[];
  /** Relocations, which the dynamic linker goes over before anything runs. */
  readonly relocations: ElfRange | undefined;
}

/** What the beginning of the file tells. */
export interface ElfHead {
  readonly interpreter: string | undefined;
  /** What is written when it is loaded: data, and what the dynamic linker needs. */
  readonly data: readonly ElfRange[];
}

/** Bytes of the file. */
export interface ElfRange {
  readonly offset: number;
  readonly size: number;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const PF_W = 2;

/** Linux itself refuses more (kernel: 64 KiB of program headers). */
const SEGMENT_COUNT_MAX = 1024;
/** The largest programs need a few hundred. */
const DYNAMIC_COUNT_MAX = 8192;
const STRING_SIZE_MAX = 4096;

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

/** `undefined` when the file is no ELF file. */
export function readElf(source: ByteSource): Elf | undefined {
  const file = ElfFile.open(source);
  if (file === undefined) return undefined;
  const segments = file.segments();
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const entries = dynamic === undefined ? [] : file.dynamic(dynamic);
  const table = entries.find(([tag]) => tag === DT_STRTAB)?.[1];
  const strings = table === undefined ? undefined : file.offsetOf(table, segments);
  const texts = (wanted: number): string[] =>
    entries
      .filter(([tag]) => tag === wanted)
      .map(([, value]) => (strings === undefined ? '' : file.string(strings + value)))
      .filter((text) => text !== '');
  const runPaths = texts(DT_RUNPATH);
  return {
    kind: file.kind,
    interpreter: interpreter && (file.string(interpreter.offset) || undefined),
    needed: texts(DT_NEEDED),
    // RPATH counts only where there is no RUNPATH.
    runPaths: (runPaths.length > 0 ? runPaths : texts(DT_RPATH)).flatMap((text) => text.split(':')),
    relocations: relocationsOf(file, segments, entries),
  };
}

/** As {@link readElf}, of the beginning of a file alone. */
export function readElfHead(source: ByteSource): ElfHead | undefined {
  const file = ElfFile.open(source);
  if (file === undefined) return undefined;
  const segments = file.segments();
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  return {
    interpreter: interpreter && (file.string(interpreter.offset) || undefined),
    data: segments
      .filter(({ type, flags }) => type === PT_LOAD && (flags & PF_W) !== 0)
      .map(({ offset, fileSize }) => ({ offset, size: fileSize }))
      .filter((range) => isWithin(range, source.size)),
  };
}

function relocationsOf(
  file: ElfFile,
  segments: readonly Segment[],
  entries: readonly (readonly [tag: number, value: number])[],
): ElfRange | undefined {
  const entryOf = (wanted: number): number | undefined =>
    entries.find(([tag]) => tag === wanted)?.[1];
  const [address, size] = [entryOf(DT_RELA), entryOf(DT_RELASZ)];
  const offset = address === undefined ? undefined : file.offsetOf(address, segments);
  if (offset === undefined || size === undefined) return undefined;
  const range = { offset, size };
  return isWithin(range, file.size) ? range : undefined;
}

function isWithin({ offset, size }: ElfRange, fileSize: number): boolean {
  return offset >= 0 && size > 0 && offset + size <= fileSize;
}

class ElfFile {
  readonly kind: string;
  readonly size: number;
  readonly #source: ByteSource;
  readonly #is64: boolean;
  readonly #little: boolean;

  private constructor(source: ByteSource, is64: boolean, little: boolean) {
    this.#source = source;
    this.size = source.size;
    this.#is64 = is64;
    this.#little = little;
    this.kind = `${is64 ? 64 : 32}${little ? 'le' : 'be'}-${this.#view(18, 2)?.getUint16(0, little)}`;
  }

  static open(source: ByteSource): ElfFile | undefined {
    if (source.size < 52) return undefined;
    const [m0, m1, m2, m3, wordSize, order] = source.read(0, 16).slice();
    const isElf = m0 === 0x7f && m1 === 0x45 && m2 === 0x4c && m3 === 0x46;
    if (!isElf || (wordSize !== 1 && wordSize !== 2) || (order !== 1 && order !== 2)) {
      return undefined;
    }
    return new ElfFile(source, wordSize === 2, order === 1);
  }

  segments(): Segment[] {
    const [tableAt, sizeAt, countAt] = this.#is64 ? [32, 54, 56] : [28, 42, 44];
    const start = this.#word(tableAt);
    const size = this.#view(sizeAt, 2)?.getUint16(0, this.#little) ?? 0;
    const count = this.#view(countAt, 2)?.getUint16(0, this.#little) ?? 0;
    const segments: Segment[] = [];
    for (let i = 0; i < Math.min(count, SEGMENT_COUNT_MAX); i++) {
      const at = start + i * size;
      const type = this.#view(at, 4)?.getUint32(0, this.#little);
      if (type === undefined) break;
      const [offset, address, fileSize] = (this.#is64 ? [8, 16, 32] : [4, 8, 16]).map((field) =>
        this.#word(at + field),
      ) as [number, number, number];
      const flags = this.#view(at + (this.#is64 ? 4 : 24), 4)?.getUint32(0, this.#little) ?? 0;
      segments.push({ type, flags, offset, address, fileSize });
    }
    return segments;
  }

  dynamic({ offset, fileSize }: Segment): [tag: number, value: number][] {
    const width = this.#is64 ? 8 : 4;
    const count = Math.min(Math.floor(fileSize / (2 * width)), DYNAMIC_COUNT_MAX);
    const entries: [number, number][] = [];
    for (let i = 0; i < count; i++) {
      const at = offset + 2 * i * width;
      const tag = this.#word(at);
      if (tag === DT_NULL) break;
      entries.push([tag, this.#word(at + width)]);
    }
    return entries;
  }

  /** Place in the file of an address in memory. */
  offsetOf(address: number, segments: readonly Segment[]): number | undefined {
    const holder = segments.find(
      (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.fileSize,
    );
    return holder === undefined ? undefined : holder.offset + (address - holder.address);
  }

  /** Text up to its NUL; empty when there is none within reason. */
  string(offset: number): string {
    const length = Math.min(STRING_SIZE_MAX, this.#source.size - offset);
    if (!(offset >= 0) || !(length > 0)) return '';
    const bytes = this.#source.read(offset, length);
    const end = bytes.indexOf(0);
    return end < 0 ? '' : Buffer.from(bytes.subarray(0, end)).toString();
  }

  #word(offset: number): number {
    if (!this.#is64) return this.#view(offset, 4)?.getUint32(0, this.#little) ?? 0;
    const value = this.#view(offset, 8)?.getBigUint64(0, this.#little) ?? 0n;
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.NaN;
  }

  #view(offset: number, length: number): DataView | undefined {
    if (!(offset >= 0) || !(offset + length <= this.#source.size)) return undefined;
    const bytes = this.#source.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }
}
