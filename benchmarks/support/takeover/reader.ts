/**
 * Readers of the takeover suite that compare what they get from a mount with the source (`report.ts` tells how they
 * begin and end).
 *
 *   node reader.js KIND MOUNT SOURCE
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Reporter } from './report.ts';

const BLOCK = 64 * 1024;
/** Between two steps: several readers share few cores with what they read from. */
const REST_MS = 8;
/** Names that the stat storm looks at in one go. */
const STATS_AT_ONCE = 20;

const [kind = '', mount = '', source = ''] = process.argv.slice(2);
const all = readdirSync(source, { recursive: true, encoding: 'utf8' });
const names = all.filter((name) => lstatSync(join(source, name)).isFile());
const folders = ['', ...all.filter((name) => lstatSync(join(source, name)).isDirectory())];
const contents = new Map(names.map((name) => [name, readFileSync(join(source, name))]));
const listings = new Map(folders.map((name) => [name, listing(join(source, name))]));
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
const reporter = new Reporter(`${kind} ${mount}`);
const attempt = reporter.attempt.bind(reporter);

function listing(folder: string): string {
  return readdirSync(folder).sort().join('/');
}

function readSome(fd: number, name: string): boolean {
  const expected = contents.get(name) as Buffer;
  const at = Math.floor(Math.random() * Math.max(1, expected.length - BLOCK));
  const buffer = Buffer.alloc(Math.min(BLOCK, expected.length - at));
  const count = readSync(fd, buffer, 0, buffer.length, at);
  return count === buffer.length && buffer.equals(expected.subarray(at, at + count));
}

/** Opens, reads a piece, closes: any file, whether it is in the cache or not. */
function random(): void {
  const name = pick(names);
  attempt(`read ${name}`, () => {
    const fd = openSync(join(mount, name), 'r');
    try {
      return readSome(fd, name);
    } finally {
      closeSync(fd);
    }
  });
}

/** Has files open for long, and opens the same ones again beside. */
const held: { name: string; fd: number }[] = [];
function hold(): void {
  if (held.length < 8 || Math.random() < 0.02) {
    const name = pick(names);
    attempt(`open ${name}`, () => {
      held.push({ name, fd: openSync(join(mount, name), 'r') });
      return true;
    });
    if (held.length > 16) closeSync((held.shift() as { fd: number }).fd);
  }
  if (held.length === 0) return;
  const { name, fd } = pick(held);
  attempt(`read open ${name}`, () => readSome(fd, name));
  attempt(`open again ${name}`, () => {
    const again = openSync(join(mount, name), 'r');
    try {
      return readSome(again, name);
    } finally {
      closeSync(again);
    }
  });
}

/** What the kernel keeps is not asked for again: names that are new, what is never kept, and then all the rest. */
function storm(): void {
  const absent = join(mount, `absent-${Math.random()}`);
  attempt('look up', () => lstatSync(absent, { throwIfNoEntry: false }) === undefined);
  attempt('statfs', () => statfsSync(mount).bsize > 0);
  const folder = pick(folders);
  attempt(`list ${folder}`, () => listing(join(mount, folder)) === listings.get(folder));
  for (let i = 0; i < STATS_AT_ONCE; i++) {
    const name = pick(names);
    attempt(`stat ${name}`, () => lstatSync(join(mount, name)).size === contents.get(name)?.length);
  }
}

/** A program that writes beside what it reads. */
function overlay(): void {
  const text = String(Math.random());
  attempt('write', () => {
    writeFileSync(join(mount, 'written'), text);
    return readFileSync(join(mount, 'written'), 'utf8') === text;
  });
  if (Math.random() < 0.1) attempt('remove', () => rmSync(join(mount, 'written')) === undefined);
  random();
}

const KINDS: Readonly<Record<string, () => void>> = { random, hold, storm, overlay };
const step = KINDS[kind];
if (step === undefined) throw new Error(`There is no reader ${kind}`);
while (!reporter.isOver) {
  step();
  await delay(REST_MS);
}
reporter.end();
