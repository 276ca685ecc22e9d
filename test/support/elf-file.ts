/** ELF files for tests. */
const BASE = 0x10000;

/** A little ELF file: header, three segments, dynamic entries, strings; its interpreter is `/lib/ld.so`. */
export function elfFile(needed: readonly string[], runPath?: string): Buffer {
  const file = Buffer.alloc(1024);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(62, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(3, 56);
  const segment = (index: number, type: number, offset: number, size: number): void => {
    const at = 64 + index * 56;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(BASE + offset), at + 16);
    file.writeBigUInt64LE(BigInt(size), at + 32);
  };
  const strings = ['', '/lib/ld.so', ...needed, ...(runPath === undefined ? [] : [runPath])];
  const text = Buffer.from(`${strings.join('\0')}\0`);
  file.set(text, 600);
  segment(0, 1, 0, 1024);
  segment(1, 3, 601, 11);
  segment(2, 2, 300, 256);
  const place = (word: string): number => text.indexOf(`\0${word}\0`) + 1;
  const entries = [
    ...needed.map((name) => [1, place(name)]),
    ...(runPath === undefined ? [] : [[29, place(runPath)]]),
    [5, BASE + 600],
    [0, 0],
  ];
  for (const [i, [tag, value]] of entries.entries()) {
    file.writeBigUInt64LE(BigInt(tag as number), 300 + 16 * i);
    file.writeBigUInt64LE(BigInt(value as number), 308 + 16 * i);
  }
  return file;
}
