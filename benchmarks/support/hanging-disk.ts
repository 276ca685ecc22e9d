/** What readers, commands and the daemon do while the disk of a cache answers nobody, and when it does again. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultyDisk } from '../../test/support/faulty-disk.ts';
import { command } from '../harness.ts';
import { type Compared, compareTree } from './disk-world.ts';

/** Files of one kind that are read at the same time. */
const READERS = 6;
/** After the hang has ended nothing may take so long. */
const GRACE_MS = 60_000;
/** The second round of reads begins when the hang should be known. */
const KNOWN_AFTER_MS = 4_000;

export interface HangWorld {
  readonly disk: FaultyDisk;
  readonly source: string;
  readonly mnt: string;
  readonly cache: string;
  /** What is not in memory any more: the bytes of the cache's files, or also all that says what they are. */
  readonly forgets: 'data' | 'everything';
  /** How long the disk does not answer. */
  readonly hangMs: number;
  /** Files, relative to source and mount, that are in the cache and not in memory, and that are not in it. */
  readonly present: readonly string[];
  readonly missing: readonly string[];
}

interface Ended {
  readonly ok: boolean;
  readonly ms: number;
  readonly says: string;
}

export interface Hang {
  readonly row: Readonly<Record<string, unknown>>;
  /** Everything compared when the disk answered again. */
  readonly after: Compared;
}

export async function hangDisk(world: HangWorld): Promise<Hang> {
  const { disk, source, mnt, cache, hangMs, present, missing } = world;
  const pid = Number(readFileSync(join(cache, 'lock'), 'utf8'));
  const threads = (): number => readdirSync(`/proc/${pid}/task`).length;
  const before = threads();
  if (world.forgets === 'everything') writeFileSync('/proc/sys/vm/drop_caches', '3');
  // An open through the mount may look at the beginning of a file of the cache.
  else for (const dir of [mnt, join(cache, 'files')]) await forgetFiles(dir);
  const cmp = (name: string): Promise<Ended> =>
    runTimed('cmp', [join(source, name), join(mnt, name)], hangMs + GRACE_MS);
  const round = (from: number): Promise<Ended>[][] => [
    present.slice(from, from + READERS).map(cmp),
    missing.slice(from, from + READERS).map(cmp),
  ];
  const start = performance.now();
  await disk.hang(true);
  let row: Record<string, unknown>;
  try {
    const first = round(0);
    await delay(KNOWN_AFTER_MS);
    const asked = await askAll(cache, mnt, hangMs);
    const second = round(READERS);
    await delay(Math.max(0, hangMs - (performance.now() - start)));
    const during = threads();
    await disk.hang(false);
    const ends = await Promise.all([...first, ...second].map((reads) => Promise.all(reads)));
    const [here = [], absent = [], laterHere = [], laterAbsent = []] = ends.map(shown);
    row = {
      'present, first': here,
      'missing, first': absent,
      'present, later': laterHere,
      'missing, later': laterAbsent,
      ...asked,
      threads: `${before}, ${during} while it hangs`,
    };
  } finally {
    await disk.hang(false);
  }
  const healed = performance.now();
  while (performance.now() - healed < GRACE_MS) {
    const { says } = await ask(['cache', 'status', '--cache', cache, '--json'], GRACE_MS);
    if (says.includes('"degraded": null') || says.includes('"degraded":null')) break;
    await delay(200);
  }
  const recoveredMs = Math.round(performance.now() - healed);
  const after = await compareTree(source, mnt);
  return { row: { ...row, 'well again ms': recoveredMs, 'threads after': threads() }, after };
}

/** Takes what is below a folder out of the page cache. */
async function forgetFiles(dir: string): Promise<void> {
  const script = 'find "$0" -type f -exec dd if={} iflag=nocache count=0 status=none ";"';
  const { ok, says } = await runTimed('sh', ['-c', script, dir], GRACE_MS);
  if (!ok) throw new Error(`Files cannot be forgotten: ${says}`);
}

/** Commands that say how things are, one after the other. */
async function askAll(
  cache: string,
  mnt: string,
  limitMs: number,
): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const [name, args] of Object.entries({
    ps: ['ps'],
    stats: ['stats', mnt],
    metrics: ['metrics', '--cache', cache],
    'cache status': ['cache', 'status', '--cache', cache],
  })) {
    const { ok, ms, says } = await ask(args, limitMs);
    answers[name] = ok ? `${ms} ms` : `failed after ${ms} ms: ${says.slice(0, 80)}`;
    if (name === 'metrics') answers['says so'] = /hanging"} 1/.test(says);
  }
  return answers;
}

async function ask(args: readonly string[], limitMs: number): Promise<Ended> {
  const [program, words] = command(...args);
  return await runTimed(program, words, limitMs);
}

function runTimed(program: string, args: readonly string[], timeout: number): Promise<Ended> {
  const start = performance.now();
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout, cwd: '/', maxBuffer: 1 << 24 }, (error, out, err) => {
      const ms = Math.round(performance.now() - start);
      resolve({ ok: error === null, ms, says: error === null ? out : err });
    });
  });
}

/** `5 right in 12 to 40 ms, 1 failed in 3000 ms`. */
function shown(reads: readonly Ended[]): string {
  const of = (ok: boolean): string => {
    const times = reads.filter((read) => read.ok === ok).map(({ ms }) => ms);
    if (times.length === 0) return '';
    return `${times.length} ${ok ? 'right' : 'failed'} in ${Math.min(...times)} to ${Math.max(...times)} ms`;
  };
  return [of(true), of(false)].filter((text) => text !== '').join(', ');
}
