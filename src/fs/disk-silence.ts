/**
 * Whether disks that have been asked for something have answered nothing since the last look. The kernel counts that
 * anyway, so a look costs the disk nothing; and what the kernel reads by itself (passthrough) counts as well.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Fields of `/sys/class/block/<disk>/stat` that count what has ended: reads, writes, discards, flushes. */
const ENDED_FIELDS = [0, 4, 11, 15];
/** The field that counts what is under way. */
const UNDER_WAY_FIELD = 8;

export class DiskSilence {
  readonly #paths: readonly string[];
  readonly #ended = new Map<string, number>();

  /**
   * @param names of block devices, as `devicesOf` gives them
   * @param dir default: where the kernel has them
   */
  constructor(names: Iterable<string>, dir = '/sys/class/block') {
    this.#paths = [...names].map((name) => join(dir, name.replaceAll('/', '!'), 'stat'));
  }

  /** True when one of them is silent. Never throws. */
  look(): boolean {
    return this.#paths.map((path) => this.#isSilent(path)).includes(true);
  }

  #isSilent(path: string): boolean {
    let fields: number[];
    try {
      fields = readFileSync(path, 'latin1').trim().split(/\s+/).map(Number);
    } catch {
      return false;
    }
    const ended = ENDED_FIELDS.reduce((sum, field) => sum + (fields[field] ?? 0), 0);
    const before = this.#ended.get(path);
    const isBusy = (fields[UNDER_WAY_FIELD] ?? 0) > 0;
    this.#ended.set(path, isBusy ? ended : Number.NaN);
    return isBusy && ended === before;
  }
}
