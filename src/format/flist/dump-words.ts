/** One line of a dump, word by word in the order of docs/format.md, section 9, as an inode. Pure. */
import { compareBytes, fromHex } from '../../base/bytes.ts';
import { CODEC, type Codec, type DigestAlgorithm } from '../../base/codec.ts';
import { BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, type Chunk, type Content } from '../content.ts';
import { digestSizeOf } from '../index/content-digest.ts';
import { type Inode, S_IFLNK, S_IFMT, S_IFREG, TARGET_SIZE_MAX, type Xattr } from '../tree.ts';
import { CODEC_NAMES, DIGEST_NAMES } from './dump.ts';
import { unescapeBytes } from './escape.ts';
import { isDevice, isSpecial } from './special.ts';
import { Unusable } from './unusable.ts';

const ID_MAX = 0xffffffff;
const STORED_SIZE_MAX = 0xffffffff;
const NO_BYTES = new Uint8Array(0);

const CODECS = new Map<string, Codec>(
  Object.entries(CODEC_NAMES).map(([codec, name]) => [name, Number(codec) as Codec]),
);
const ALGORITHMS = new Map<string, DigestAlgorithm>(
  Object.entries(DIGEST_NAMES).map(([algorithm, name]) => [
    name,
    Number(algorithm) as DigestAlgorithm,
  ]),
);

export class DumpWords {
  /** Escaped. */
  readonly path: string;
  /** Number of an inode with several names. */
  readonly link: number | undefined;
  /** Everything but the path: the same for all names of an inode. */
  readonly attributes: string;
  readonly #mode: string;
  readonly #owner: string;
  readonly #time: string;
  readonly #words: readonly string[];
  #at = 0;

  constructor(line: string) {
    const [path = '', mode = '', owner = '', time = '', ...words] = line.split(' ');
    this.path = path;
    this.attributes = line.slice(path.length);
    this.#mode = mode;
    this.#owner = owner;
    this.#time = time;
    this.#words = words;
    const link = this.#optional('link');
    this.link = link === undefined ? undefined : number(link, 1, ID_MAX, 'link=');
  }

  /** Without entries. */
  inode(): Inode {
    const mode = modeOf(this.#mode);
    const inode = {
      mode,
      ...ownerOf(this.#owner),
      ...timeOf(this.#time),
      size: 0,
      ...this.#sizeAndKind(mode),
      ...this.#xattrs(),
    };
    const content = this.#content(mode, inode.size);
    const rest = this.#words[this.#at];
    if (rest !== undefined) throw new Unusable(`has a word that is not expected: ${shown(rest)}`);
    return content === undefined ? inode : { ...inode, content };
  }

  #sizeAndKind(mode: number): Partial<Inode> {
    const type = mode & S_IFMT;
    if (type === S_IFREG) {
      const size = number(this.#required('size'), 0, Number.MAX_SAFE_INTEGER, 'size=');
      return { size };
    }
    if (isDevice(mode)) {
      const [major, minor, ...more] = this.#required('device').split(',');
      if (more.length > 0) throw new Unusable('has a device= that is not two numbers');
      return {
        rdevMajor: number(major, 0, ID_MAX, 'device='),
        rdevMinor: number(minor, 0, ID_MAX, 'device='),
      };
    }
    if (type !== S_IFLNK) return {};
    const target = bytesOf(this.#required('target'), 'target=');
    if (target.length === 0 || target.length > TARGET_SIZE_MAX || target.includes(0)) {
      throw new Unusable('has a target that no symlink can have');
    }
    return { target };
  }

  #xattrs(): Pick<Inode, 'xattrs'> {
    const xattrs: Xattr[] = [];
    for (let word = this.#optional('xattr'); word !== undefined; word = this.#optional('xattr')) {
      const comma = word.indexOf(',');
      if (comma < 1) throw new Unusable('has an xattr= without name and value');
      const name = bytesOf(word.slice(0, comma).replaceAll('%2C', ','), 'xattr=');
      const previous = xattrs.at(-1);
      if (previous !== undefined && compareBytes(previous.name, name) >= 0) {
        throw new Unusable('has extended attributes out of order');
      }
      xattrs.push({ name, value: bytesOf(word.slice(comma + 1), 'xattr=') });
    }
    return xattrs.length === 0 ? {} : { xattrs };
  }

  #content(mode: number, size: number): Content | undefined {
    if ((mode & S_IFMT) !== S_IFREG || size === 0) return undefined;
    const blockSize = number(this.#required('block'), BLOCK_SIZE_MIN, BLOCK_SIZE_MAX, 'block=');
    if (!Number.isInteger(Math.log2(blockSize))) {
      throw new Unusable('has a block= that is no power of two');
    }
    const algorithm = ALGORITHMS.get(this.#required('digest'));
    if (algorithm === undefined) throw new Unusable('has an unknown digest=');
    const countMax = Math.ceil(size / blockSize);
    const chunks: Chunk[] = [];
    for (let word = this.#optional('chunk'); word !== undefined; word = this.#optional('chunk')) {
      if (chunks.length === countMax) throw new Unusable('has more chunks than its size asks for');
      chunks.push(chunkOf(word, algorithm));
    }
    return { size, blockSize, algorithm, chunks };
  }

  #required(key: string): string {
    const value = this.#optional(key);
    if (value === undefined) {
      const word = this.#words[this.#at];
      const found = word === undefined ? 'the line ends' : `there is ${shown(word)}`;
      throw new Unusable(`has no ${key}= where ${found}`);
    }
    return value;
  }

  #optional(key: string): string | undefined {
    const word = this.#words[this.#at];
    if (!word?.startsWith(`${key}=`)) return undefined;
    this.#at++;
    return word.slice(key.length + 1);
  }
}

function modeOf(text: string): number {
  const mode = /^[0-7]{6}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  const type = mode & S_IFMT;
  if (mode <= 0o177777 && (isSpecial(type) || [0o040000, S_IFREG, S_IFLNK].includes(type))) {
    return mode;
  }
  throw new Unusable(`has the mode ${shown(text)}, not six octal digits with a type`);
}

function ownerOf(text: string): Pick<Inode, 'uid' | 'gid'> {
  const match = /^(\d+):(\d+)$/.exec(text);
  if (match === null) throw new Unusable(`has the owner ${shown(text)}, not UID:GID`);
  return {
    uid: number(match[1], 0, ID_MAX, 'user id'),
    gid: number(match[2], 0, ID_MAX, 'group id'),
  };
}

function timeOf(text: string): Pick<Inode, 'mtimeSeconds' | 'mtimeNanoseconds'> {
  const match = /^(-?(?:0|[1-9]\d{0,15}))\+(\d{9})$/.exec(text);
  const mtimeSeconds = Number(match?.[1]);
  if (match === null || !Number.isSafeInteger(mtimeSeconds) || Object.is(mtimeSeconds, -0)) {
    throw new Unusable(`has the time ${shown(text)}, not SECONDS+NANOSECONDS`);
  }
  return { mtimeSeconds, mtimeNanoseconds: Number(match[2]) };
}

function chunkOf(word: string, algorithm: DigestAlgorithm): Chunk {
  const [name = '', id, plain, stored, ...more] = word.split(',');
  const codec = CODECS.get(name);
  const isAbsent = codec === CODEC.hole || codec === CODEC.lost;
  if (codec === undefined || (isAbsent ? id !== undefined : more.length > 0)) {
    throw new Unusable(`has the chunk ${shown(word)}, not CODEC,ID,PLAIN DIGEST,STORED SIZE`);
  }
  if (isAbsent) return { codec, id: NO_BYTES, plainDigest: NO_BYTES, storedSize: 0 };
  const [idBytes, plainDigest] = [id, plain].map((text) => fromLowerHex(text));
  if (idBytes?.length !== 16 && idBytes?.length !== 32) {
    throw new Unusable('has a chunk id that is not 16 or 32 bytes of lower-case hex');
  }
  if (plainDigest?.length !== digestSizeOf(algorithm)) {
    throw new Unusable('has a plain digest that is not of the length of its algorithm');
  }
  const storedSize = number(stored, 0, STORED_SIZE_MAX, 'stored size');
  return { codec, id: idBytes, plainDigest, storedSize };
}

function fromLowerHex(text = ''): Uint8Array | undefined {
  return /[A-F]/.test(text) ? undefined : fromHex(text);
}

function bytesOf(text: string, what: string): Uint8Array {
  const bytes = unescapeBytes(text);
  if (bytes === undefined) throw new Unusable(`has a ${what} that is not escaped as it must be`);
  return bytes;
}

function number(text: string | undefined, min: number, max: number, what: string): number {
  const value = /^(0|[1-9]\d{0,15})$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Unusable(`has a ${what} of ${shown(text ?? '')}, not a number from ${min} to ${max}`);
}

/** A word for a message: short, and nothing a terminal would act on. */
function shown(word: string): string {
  const text = JSON.stringify(word.slice(0, 40));
  return word.length > 40 ? `${text}…` : text;
}
