/**
 * One reader of the takeover suite, a process of its own: works on a mount until its standard input ends, compares
 * all it reads with the source, and then tells as JSON what went wrong and which operations took long.
 *
 *   node takeover-reader.js KIND MOUNT SOURCE
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

/** Begin (milliseconds since 1970) and length of an operation. */
export type Slow = readonly [beginMs: number, ms: number];

export interface ReaderReport {
  readonly kind: string;
  readonly operations: number;
  readonly failed: readonly string[];
  readonly wrong: readonly string[];
  readonly slow: readonly Slow[];
}

/** Shorter ones are no pauses. */
const SLOW_MS = 10;
const BLOCK = 64 * 1024;
/** Between two operations: several readers share few cores with what they read from. */
const REST_MS = 2;
const MISTAKES_MAX = 20;

const [kind = '', mount = '', source = ''] = process.argv.slice(2);
const failed: string[] = [];
const wrong: string[] = [];
const slow: Slow[] = [];
let operations = 0;

const names = (readdirSync(source, { recursive: true, encoding: 'utf8' }) as string[]).filter(
  (name) => lstatSync(join(source, name)).isFile(),
);
const contents = new Map(names.map((name) => [name, readFileSync(join(source, name))]));
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

function attempt(what: string, operation: () => boolean): void {
  const begin = Date.now();
  const start = performance.now();
  try {
    if (!operation() && wrong.length < MISTAKES_MAX) wrong.push(what);
  } catch (error) {
    if (failed.length < MISTAKES_MAX) failed.push(`${what}: ${error}`);
  }
  const ms = performance.now() - start;
  if (ms >= SLOW_MS) slow.push([begin, Math.round(ms * 10) / 10]);
  operations++;
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

/** What the kernel keeps is not asked for again: names that are new, and what is never kept. */
function storm(): void {
  const absent = join(mount, `absent-${Math.random()}`);
  attempt('look up', () => lstatSync(absent, { throwIfNoEntry: false }) === undefined);
  attempt('statfs', () => statfsSync(mount).bsize > 0);
  const name = pick(names);
  attempt(`stat ${name}`, () => lstatSync(join(mount, name)).size === contents.get(name)?.length);
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
let stopping = false;
process.stdin.once('end', () => {
  stopping = true;
});
process.stdin.resume();
process.stdout.write('reading\n');
while (!stopping) {
  step();
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
}
const report: ReaderReport = { kind, operations, failed, wrong, slow };
process.stdout.write(`${JSON.stringify(report)}\n`);
