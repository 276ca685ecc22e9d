/** The tests of `flist find`, with the meanings of find(1): each makes a function from its value. Pure. */
import { G8Error } from '../../base/errors.ts';
import type { IndexInode } from '../../format/index/reader.ts';
import { compileName } from '../glob.ts';
import { compilePermissions } from './permissions.ts';

/** An entry as tests see it. Texts are lossy where names are no UTF-8. */
export interface FindEntry {
  readonly name: string;
  readonly inode: IndexInode;
  path(): string;
  /** A regular file without bytes, or a folder without entries. */
  isEmpty(): boolean;
  xattrNames(): readonly string[];
}

export type Test = (entry: FindEntry) => boolean;
type TestMaker = (value: string, word: string, nowMs: number) => Test;

const TYPES: Readonly<Record<string, IndexInode['type']>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  c: 'character-device',
  b: 'block-device',
  p: 'fifo',
  s: 'socket',
};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  c: 1,
  w: 2,
  b: 512,
  k: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
};
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const REGEX_SIZE_MAX = 4096;

/** By name; `make` gets the value, the word as it was written, and the present time. */
export const TESTS: Readonly<Record<string, TestMaker>> = {
  name: (value) => onName(compileName(value)),
  iname: (value) => onName(ignoringCase(compileName(value.toLowerCase()))),
  path: (value) => onPath(compileName(value)),
  wholename: (value) => onPath(compileName(value)),
  ipath: (value) => onPath(ignoringCase(compileName(value.toLowerCase()))),
  regex: (value, word) => onPath(compileRegex(value, word, '')),
  iregex: (value, word) => onPath(compileRegex(value, word, 'i')),
  type: typeTest,
  size: sizeTest,
  mtime: (value, word, nowMs) => {
    const matches = compare(value, word);
    return ({ inode }) => matches(Math.floor((nowMs - mtimeMs(inode)) / DAY_MS));
  },
  mmin: minutesTest,
  'newer-than': newerTest,
  newermt: newerTest,
  perm: (value, word) => {
    const matches = compilePermissions(value, word);
    return ({ inode }) => matches(inode.mode & 0o7777);
  },
  uid: (value, word) => onNumber(value, word, 'uid'),
  gid: (value, word) => onNumber(value, word, 'gid'),
  links: (value, word) => onNumber(value, word, 'nlink'),
  inum: (value, word) => onNumber(value, word, 'nid'),
  xattr: (value) => {
    const matches = compileName(value);
    return (entry) => entry.xattrNames().some(matches);
  },
};

/** A number without a sign. */
export function parseCount(word: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw wrong(word, value, 'a number');
  return Number(value);
}

function onName(matches: (text: string) => boolean): Test {
  return ({ name }) => matches(name);
}

function onPath(matches: (text: string) => boolean): Test {
  return (entry) => matches(entry.path());
}

function ignoringCase(matches: (text: string) => boolean): (text: string) => boolean {
  return (text) => matches(text.toLowerCase());
}

function onNumber(value: string, word: string, field: 'uid' | 'gid' | 'nlink' | 'nid'): Test {
  const matches = compare(value, word);
  return ({ inode }) => matches(inode[field]);
}

function compileRegex(value: string, word: string, flags: string): (text: string) => boolean {
  try {
    if (value.length > REGEX_SIZE_MAX) throw new SyntaxError('it is too long');
    const expression = new RegExp(`^(?:${value})$`, `s${flags}`);
    return (text) => expression.test(text);
  } catch (error) {
    throw wrong(word, value, 'a regular expression', error);
  }
}

function typeTest(value: string, word: string): Test {
  const types = value.split(',').map((letter) => {
    const type = Object.hasOwn(TYPES, letter) ? TYPES[letter] : undefined;
    if (type === undefined) throw wrong(word, value, `one of ${Object.keys(TYPES).join(', ')}`);
    return type;
  });
  return ({ inode }) => types.includes(inode.type);
}

/** Sizes are rounded up to whole units, as find(1) does: `-size -1M` is for empty files only. */
function sizeTest(value: string, word: string): Test {
  const match = /^([+-]?\d{1,15})([cwbkMG]?)$/.exec(value);
  if (match === null)
    throw wrong(word, value, 'a size such as +10k, with a unit of c, w, b, k, M, G');
  const unit = SIZE_UNITS[match[2] === '' ? 'b' : (match[2] as string)] as number;
  const matches = compare(match[1] as string, word);
  return ({ inode }) => matches(Math.ceil(inode.size / unit));
}

/** Unlike days, minutes are not rounded down (find(1) of GNU). */
function minutesTest(value: string, word: string, nowMs: number): Test {
  const { sign, number } = parseSigned(value, word);
  return ({ inode }) => {
    const age = (nowMs - mtimeMs(inode)) / MINUTE_MS;
    if (sign === '+') return age > number;
    return sign === '-' ? age < number : Math.ceil(age) === number;
  };
}

function newerTest(value: string, word: string): Test {
  const seconds = /^@(-?\d{1,15})$/.exec(value)?.[1];
  const limit = seconds === undefined ? Date.parse(value) : Number(seconds) * 1000;
  if (Number.isNaN(limit)) throw wrong(word, value, 'an ISO 8601 time, or @ and seconds');
  return ({ inode }) => mtimeMs(inode) > limit;
}

/** `+N` more than, `-N` less than, `N` exactly. */
function compare(value: string, word: string): (actual: number) => boolean {
  const { sign, number } = parseSigned(value, word);
  if (sign === '+') return (actual) => actual > number;
  if (sign === '-') return (actual) => actual < number;
  return (actual) => actual === number;
}

function parseSigned(value: string, word: string): { sign: string; number: number } {
  const match = /^([+-]?)(\d{1,15})$/.exec(value);
  if (match === null) throw wrong(word, value, 'a number, with + for more and - for less than it');
  return { sign: match[1] as string, number: Number(match[2]) };
}

function mtimeMs({ mtimeSeconds, mtimeNanoseconds }: IndexInode): number {
  return mtimeSeconds * 1000 + mtimeNanoseconds / 1_000_000;
}

function wrong(word: string, value: string, wanted: string, cause?: unknown): G8Error {
  return new G8Error('ERR_USAGE', `${word} is '${value}', not ${wanted}`, { cause });
}
