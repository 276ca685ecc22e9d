/** CRC-32C (Castagnoli), as RocksDB and EROFS use it. Pure. */

const TABLE = /* @__PURE__ */ (() => {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    table[byte] = crc >>> 0;
  }
  return table;
})();

/**
 * Continues a checksum over more bytes. `state` is the raw register: 0xffffffff to begin with, and
 * the result is not inverted, so that EROFS (which keeps the raw value) and RocksDB both build on it.
 */
export function crc32cUpdate(state: number, data: Uint8Array): number {
  let crc = state >>> 0;
  for (let i = 0; i < data.length; i++) {
    crc = (TABLE[(crc ^ (data[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return crc >>> 0;
}

/** The usual CRC-32C of a buffer: inverted at both ends. */
export function crc32c(data: Uint8Array): number {
  return ~crc32cUpdate(0xffffffff, data) >>> 0;
}
