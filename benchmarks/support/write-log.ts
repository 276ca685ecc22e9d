/**
 * The log of a disk (`test/support/faulty-disk.cc`): what was written in which order, and where it was flushed. Plays
 * it back to what a disk may hold when its power goes: all that was written before the last flush, and of what came
 * after it any part, in any order, the last block perhaps torn.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/** A sector is written whole or not at all. */
const SECTOR = 512;
const HEAD_BYTES = 16;
const FLUSH = 0xffff_ffff_ffff_ffffn;

export interface LogRecord {
  /** Where on the disk; -1 for a flush. */
  readonly offset: number;
  readonly size: number;
  /** Where its bytes are in the log. */
  readonly at: number;
}

export function readLog(path: string): LogRecord[] {
  const fd = openSync(path, 'r');
  try {
    const { size: end } = fstatSync(fd);
    const records: LogRecord[] = [];
    const head = Buffer.alloc(HEAD_BYTES);
    let at = 0;
    while (at + HEAD_BYTES <= end) {
      readSync(fd, head, 0, HEAD_BYTES, at);
      const offset = head.readBigUInt64LE(0);
      const size = Number(head.readBigUInt64LE(8));
      at += HEAD_BYTES;
      if (at + size > end) break;
      records.push({ offset: offset === FLUSH ? -1 : Number(offset), size, at });
      at += size;
    }
    return records;
  } finally {
    closeSync(fd);
  }
}

/** Applies records to an image, in their order. */
export class LogPlayer {
  readonly #log: number;
  readonly #image: number;

  constructor(logPath: string, imagePath: string) {
    this.#log = openSync(logPath, 'r');
    this.#image = openSync(imagePath, 'r+');
  }

  /** @param bytes how much of it; default all */
  apply({ offset, size, at }: LogRecord, bytes: number = size): void {
    if (offset < 0 || bytes === 0) return;
    const buffer = Buffer.allocUnsafe(bytes);
    readSync(this.#log, buffer, 0, bytes, at);
    writeSync(this.#image, buffer, 0, bytes, offset);
  }

  close(): void {
    closeSync(this.#log);
    closeSync(this.#image);
  }
}

/**
 * Applies what may have reached the disk of writes that no flush has followed. Which of them did is chance; in which
 * order they did shows only where two overlap, and there a disk keeps it.
 */
export function applyUnflushed(
  player: LogPlayer,
  records: readonly LogRecord[],
  random: () => number,
): void {
  const kept = records.filter((record) => record.offset >= 0 && random() < 0.5);
  const torn = random() < 0.5 ? Math.floor(random() * kept.length) : -1;
  for (const [index, record] of kept.entries()) {
    const sectors = Math.floor((record.size / SECTOR) * random());
    player.apply(record, index === torn ? sectors * SECTOR : record.size);
  }
}
