/** CRC-32C (Castagnoli), as RocksDB and EROFS use it. Pure. */

/** Bytes that one step takes in: table `n` holds the effect of a byte with `n` more behind it. */
const STEP = 4;

const TABLES = /* @__PURE__ */ (() => {
  const tables = new Int32Array(256 * STEP);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number;
    tables[i] = (tables[before & 0xff] as number) ^ (before >>> 8);
  }
  return tables;
})();

/**
 * Continues a checksum over more bytes. `state` is the raw register: 0xffffffff to begin with, and
 * the result is not inverted, so that EROFS (which keeps the raw value) and RocksDB both build on it.
 */
export function crc32cUpdate(state: number, data: Uint8Array): number {
  let crc = state | 0;
  let i = 0;
  for (const end = data.length - STEP; i <= end; i += STEP) {
    crc ^=
      (data[i] as number) |
      ((data[i + 1] as number) << 8) |
      ((data[i + 2] as number) << 16) |
      ((data[i + 3] as number) << 24);
    crc =
      (TABLES[768 + (crc & 0xff)] as number) ^
      (TABLES[512 + ((crc >>> 8) & 0xff)] as number) ^
      (TABLES[256 + ((crc >>> 16) & 0xff)] as number) ^
      (TABLES[crc >>> 24] as number);
  }
  for (; i < data.length; i++) {
    crc = (TABLES[(crc ^ (data[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return crc >>> 0;
}

/** The usual CRC-32C of a buffer: inverted at both ends. */
export function crc32c(data: Uint8Array): number {
  return ~crc32cUpdate(0xffffffff, data) >>> 0;
}
