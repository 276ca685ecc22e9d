/** Parts of a tree, each with contents of its own, and images of some of them together. */
import { createCipheriv } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { g8ufs, run } from '../harness.ts';

export interface PartSize {
  readonly smallFiles: number;
  readonly largeMiB: number;
}

const FILES_PER_FOLDER = 50;
const SMALL_BYTES_MAX = 32_000;

export class Parts {
  readonly folder: string;
  /** Bytes of one part. */
  readonly bytes: number;

  private constructor(folder: string, bytes: number) {
    this.folder = folder;
    this.bytes = bytes;
  }

  /** Makes `count` parts below `folder`, named by their numbers. Bytes do not compress, and are the same each time. */
  static make(folder: string, count: number, size: PartSize): Parts {
    let bytes = 0;
    for (let part = 0; part < count; part++)
      bytes = makePart(join(folder, String(part)), part, size);
    return new Parts(folder, bytes);
  }

  /** Makes an image of some parts, whose chunks go to `store`. */
  async image(flist: string, parts: readonly number[], store: string): Promise<string> {
    const source = `${flist}.tree`;
    mkdirSync(source);
    for (const part of parts) {
      const name = String(part);
      await run('cp', ['-a', '--reflink=auto', join(this.folder, name), join(source, name)]);
    }
    // Names of no other image: its own index, even where it has the same parts.
    symlinkSync(parts.join('-'), join(source, 'parts'));
    await g8ufs('flist', 'create', source, flist, '--store', store);
    await run('rm', ['-rf', source]);
    return flist;
  }
}

/** @returns bytes of its files */
function makePart(folder: string, part: number, { smallFiles, largeMiB }: PartSize): number {
  const key = Buffer.alloc(16, part + 1);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const random = (size: number): Buffer => cipher.update(Buffer.alloc(size));
  let bytes = largeMiB * 2 ** 20;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'large'), random(bytes));
  for (let index = 0; index < smallFiles; index++) {
    const inner = join(folder, String(Math.floor(index / FILES_PER_FOLDER)));
    if (index % FILES_PER_FOLDER === 0) mkdirSync(inner);
    const size = 1 + ((index * 7919) % SMALL_BYTES_MAX);
    writeFileSync(join(inner, String(index)), random(size));
    bytes += size;
  }
  return bytes;
}
