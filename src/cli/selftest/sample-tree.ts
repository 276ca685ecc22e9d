/**
 * A tree for tests of a whole machine, the same bytes on every machine: many small files, some large ones, half
 * of the bytes text that compresses, half noise that does not. Files can be given new contents and back.
 */
import { createCipheriv } from 'node:crypto';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILES_PER_FOLDER = 50;
const FOLDERS_PER_FOLDER = 20;
const KEY = Buffer.alloc(16, 0x67);
/** Times of the first contents; each change is a day later. */
const EPOCH_SECONDS = 1_700_000_000;
const DAY_SECONDS = 86_400;

/** 256 made-up words of two to nine letters. */
const WORDS = Array.from({ length: 256 }, (_, i) => {
  const letters = noise(0xffff_0000 + i, 16);
  return Array.from({ length: 2 + ((letters[0] as number) % 8) }, (_, k) =>
    String.fromCharCode(97 + ((letters[k + 1] as number) % 26)),
  ).join('');
});

export class CreateTree {
  readonly root: string;
  readonly fileCount: number;

  constructor(root: string, fileCount: number) {
    this.root = root;
    this.fileCount = fileCount;
  }

  /** Writes all files; returns their bytes. */
  create(): number {
    let total = 0;
    for (let i = 0; i < this.fileCount; i++) {
      if (i % FILES_PER_FOLDER === 0) mkdirSync(this.#folder(i), { recursive: true });
      total += this.write(i, 0);
    }
    return total;
  }

  /** Gives one file the contents of a generation, 0 being the first; returns their bytes. */
  write(i: number, generation: number): number {
    const size = sizeOf(i);
    const seed = i * 1000 + generation;
    const path = join(this.#folder(i), `file-${i}`);
    writeFileSync(path, i % 2 === 0 ? noise(seed, size) : text(seed, size));
    const time = EPOCH_SECONDS + i + generation * DAY_SECONDS;
    utimesSync(path, time, time);
    return size;
  }

  /** Gives every hundredth file the contents of a generation; returns how many. */
  change(first: number, generation: number): number {
    let count = 0;
    for (let i = first; i < this.fileCount; i += 100, count++) this.write(i, generation);
    return count;
  }

  #folder(i: number): string {
    const folder = Math.floor(i / FILES_PER_FOLDER);
    return join(this.root, `part-${Math.floor(folder / FOLDERS_PER_FOLDER)}`, `folder-${folder}`);
  }
}

/** Sizes as in a root file system: 10.8 KiB on average, half of the files below 3 KiB, a few above 1 MiB. */
function sizeOf(i: number): number {
  const [kind, ...bytes] = noise(0xfffe_0000 + i, 5) as unknown as [number, ...number[]];
  const share = bytes.reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 32;
  const [low, high] =
    kind < 128
      ? [1, 3 * 1024]
      : kind < 210
        ? [3 * 1024, 9 * 1024]
        : kind < 250
          ? [9 * 1024, 35 * 1024]
          : share < 0.98
            ? [40 * 1024, 140 * 1024]
            : [1024 * 1024, 5 * 1024 * 1024];
  return low + Math.floor(share * (high - low));
}

/** Key stream of a cipher: random to any compressor, the same for one seed. */
function noise(seed: number, size: number): Buffer {
  const counter = Buffer.alloc(16);
  counter.writeDoubleBE(seed);
  const cipher = createCipheriv('aes-128-ctr', KEY, counter);
  return cipher.update(Buffer.alloc(size));
}

function text(seed: number, size: number): string {
  // Words have at least two letters and a blank behind them.
  const bytes = noise(seed, Math.ceil(size / 3) + 1);
  const words: string[] = [];
  let length = 0;
  for (let i = 0; length < size; i++) {
    const word = WORDS[bytes[i % bytes.length] as number] as string;
    words.push(word);
    length += word.length + 1;
  }
  return words.join(' ').slice(0, size);
}
