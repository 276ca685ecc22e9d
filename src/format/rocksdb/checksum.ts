/** Checksums as RocksDB stores them: masked CRC-32C, and the trailer of a table block by type. Pure. */
import { crc32c } from '../../base/crc32c.ts';
import { xxh3 } from './xxh3.ts';
import { xxh32, xxh64 } from './xxhash.ts';

/** Checksum types of table footers. */
export const CHECKSUM = { none: 0, crc32c: 1, xxh32: 2, xxh64: 3, xxh3: 4 } as const;

/** RocksDB stores CRCs rotated and shifted, so that the CRC of data with CRCs in it stays sound. */
export function maskCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/**
 * Checksum of a table block as its trailer holds it.
 *
 * @param data the stored block and the compression type byte behind it
 * @returns `undefined` for {@link CHECKSUM}.none
 */
export function blockChecksum(type: number, data: Uint8Array): number | undefined {
  switch (type) {
    case CHECKSUM.crc32c:
      return maskCrc(crc32c(data));
    case CHECKSUM.xxh32:
      return xxh32(data);
    case CHECKSUM.xxh64:
      return Number(xxh64(data) & 0xffffffffn);
    case CHECKSUM.xxh3: {
      // The last byte is mixed in afterwards, so that a block's checksum needs no copy.
      const last = data[data.length - 1] as number;
      const hash = Number(xxh3(data.subarray(0, -1)) & 0xffffffffn);
      return (hash ^ Math.imul(last, 0x6b9083d9)) >>> 0;
    }
    default:
      return undefined;
  }
}
