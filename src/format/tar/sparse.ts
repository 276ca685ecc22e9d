/**
 * Sparse files, in the four ways GNU tar has written them: in the header (type S), as PAX records (0.0 and
 * 0.1), and in front of the data (1.0). All give the regions that are in the archive. Pure.
 *
 * @see GNU tar manual, Storing Sparse Files
 */
import type { TarRegion } from './entry.ts';
import { decodeTarNumber, TAR_BLOCK_SIZE } from './header.ts';
import type { TarInput } from './input.ts';
import { malformedTar } from './malformed.ts';

/** A map of a million regions has at least 4 GiB of data between its holes. */
export const REGION_COUNT_MAX = 2 ** 20;

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const ZERO = 0x30;
const OLD_ENTRY_SIZE = 24;
const OLD_HEADER = { offset: 386, count: 4, more: 482, realSize: 483 } as const;
const OLD_EXTENSION = { offset: 0, count: 21, more: 504 } as const;

/** The map of a sparse file, and the size it has with its holes. */
export interface SparseMap {
  readonly size: number;
  readonly regions: readonly TarRegion[];
}

/** The `GNU.sparse.*` records of an entry, in the order in which they come. */
export class SparseRecords {
  name: Uint8Array | undefined;
  #size: number | undefined;
  #major = 0;
  #numbers: number[] = [];

  /** @throws ERR_FLIST_FORMAT */
  add(keyword: string, value: Uint8Array, offset: number): void {
    switch (keyword) {
      case 'name':
        this.name = value.slice();
        break;
      case 'size':
      case 'realsize':
        [this.#size] = decimals(value, offset, 1) as [number];
        break;
      case 'major':
        [this.#major] = decimals(value, offset, 1) as [number];
        break;
      case 'offset':
      case 'numbytes':
        this.#numbers.push(...decimals(value, offset, 1));
        break;
      case 'map':
        this.#numbers = value.length === 0 ? [] : decimals(value, offset, 2 * REGION_COUNT_MAX);
        break;
    }
  }

  /**
   * The map; that of 1.0 is taken from the data, where it comes first.
   *
   * @param storedSize bytes of the entry's data, the map of 1.0 included
   * @throws ERR_FLIST_FORMAT
   */
  async toMap(input: TarInput, storedSize: number, offset: number): Promise<SparseMap> {
    if (this.#size === undefined) throw malformedTar(offset, 'a sparse file without a size');
    const start = input.position;
    const numbers = this.#major >= 1 ? await readMap(input, storedSize, offset) : this.#numbers;
    const regions = toRegions(numbers, offset);
    return checkedMap({ size: this.#size, regions }, storedSize - (input.position - start), offset);
  }
}

/**
 * The map of an old GNU header, with the blocks that continue it.
 *
 * @param block the header
 * @param storedSize bytes of the entry's data
 * @throws ERR_FLIST_FORMAT
 */
export async function readOldMap(
  block: Uint8Array,
  input: TarInput,
  storedSize: number,
  offset: number,
): Promise<SparseMap> {
  const size = decodeTarNumber(block.subarray(OLD_HEADER.realSize, 495), offset, 'real size');
  const numbers: number[] = [];
  addOldEntries(numbers, block, OLD_HEADER, offset);
  let more = block[OLD_HEADER.more] !== 0;
  while (more) {
    const extension = await input.read(TAR_BLOCK_SIZE);
    if (extension.length < TAR_BLOCK_SIZE) {
      throw malformedTar(input.position, 'it ends within a sparse map');
    }
    addOldEntries(numbers, extension, OLD_EXTENSION, offset);
    if (numbers.length > 2 * REGION_COUNT_MAX) throw tooMany(offset);
    more = extension[OLD_EXTENSION.more] !== 0;
  }
  return checkedMap({ size, regions: toRegions(numbers, offset) }, storedSize, offset);
}

function addOldEntries(
  numbers: number[],
  block: Uint8Array,
  place: { readonly offset: number; readonly count: number },
  offset: number,
): void {
  for (let i = 0; i < place.count; i++) {
    const at = place.offset + i * OLD_ENTRY_SIZE;
    // An entry without bytes fills the rest.
    if (block[at] === 0) break;
    for (const start of [at, at + 12]) {
      numbers.push(decodeTarNumber(block.subarray(start, start + 12), offset, 'sparse map'));
    }
  }
}

/** The map of 1.0: its count, then offsets and lengths, each in decimal on a line, filled to whole blocks. */
async function readMap(input: TarInput, storedSize: number, offset: number): Promise<number[]> {
  const start = input.position;
  const numbers: number[] = [];
  let wanted = 1;
  let value = 0;
  let digits = 0;
  while (numbers.length < wanted) {
    if (input.position - start + TAR_BLOCK_SIZE > storedSize) {
      throw malformedTar(offset, 'a sparse map exceeds the data of its file');
    }
    const block = await input.read(TAR_BLOCK_SIZE);
    if (block.length < TAR_BLOCK_SIZE) {
      throw malformedTar(input.position, 'it ends within a sparse map');
    }
    for (let i = 0; i < block.length && numbers.length < wanted; i++) {
      const byte = block[i] as number;
      if (byte === NEWLINE && digits > 0) {
        numbers.push(value);
        if (numbers.length === 1) {
          if (value > REGION_COUNT_MAX) throw tooMany(offset);
          wanted += 2 * value;
        }
        [value, digits] = [0, 0];
      } else {
        value = value * 10 + digit(byte, offset);
        if (++digits > 15) throw malformedTar(offset, 'a sparse map that is none');
      }
    }
  }
  return numbers.slice(1);
}

/** @throws ERR_FLIST_FORMAT */
function decimals(value: Uint8Array, offset: number, countMax: number): number[] {
  const numbers: number[] = [];
  let number = 0;
  let digits = 0;
  for (let i = 0; i <= value.length; i++) {
    if (i < value.length && value[i] !== COMMA) {
      number = number * 10 + digit(value[i] as number, offset);
      if (++digits > 15) throw malformedTar(offset, 'a sparse map that is none');
      continue;
    }
    if (digits === 0) throw malformedTar(offset, 'a sparse map that is none');
    numbers.push(number);
    if (numbers.length > countMax) throw tooMany(offset);
    [number, digits] = [0, 0];
  }
  return numbers;
}

function digit(byte: number, offset: number): number {
  const value = byte - ZERO;
  if (value < 0 || value > 9) throw malformedTar(offset, 'a sparse map that is none');
  return value;
}

function toRegions(numbers: readonly number[], offset: number): TarRegion[] {
  if (numbers.length % 2 !== 0) throw malformedTar(offset, 'a sparse map with half an entry');
  const regions: TarRegion[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const region = { offset: numbers[i] as number, length: numbers[i + 1] as number };
    // The end of a file that ends in a hole is written as a region without bytes.
    if (region.length > 0) regions.push(region);
  }
  return regions;
}

function checkedMap(map: SparseMap, dataSize: number, offset: number): SparseMap {
  let end = 0;
  let stored = 0;
  for (const region of map.regions) {
    if (region.offset < end || region.length < 0) {
      throw malformedTar(offset, 'a sparse map out of order');
    }
    end = region.offset + region.length;
    stored += region.length;
  }
  if (map.size < 0 || end > map.size || !Number.isSafeInteger(end)) {
    throw malformedTar(offset, 'a sparse map exceeds its file');
  }
  if (stored !== dataSize) {
    throw malformedTar(offset, 'a sparse map does not fit the data of its file');
  }
  return map;
}

function tooMany(offset: number): Error {
  return malformedTar(offset, `a sparse map of more than ${REGION_COUNT_MAX} regions`);
}
