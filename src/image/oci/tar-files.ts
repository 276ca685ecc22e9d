/**
 * The files of an image that lie in a plain tar: its headers are read once, the files from their places
 * then. Nothing is unpacked. Links among the members are followed, as `docker save` makes them for layers
 * that are the same.
 */
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { throwIfAborted } from '../../base/abort.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { malformedImage, showText } from '../../format/oci/malformed.ts';
import { decodeTarHeader, isZeroBlock, TAR_BLOCK_SIZE } from '../../format/tar/header.ts';
import { addPaxRecords, PAX_SIZE_MAX, type PaxFields } from '../../format/tar/pax.ts';
import { type ImageFiles, openPlainFile, readRange } from './image-files.ts';

/** Images have a few members for each layer. */
const MEMBER_COUNT_MAX = 100_000;
const LINKS_MAX = 8;

export interface OpenTarOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default {@link MEMBER_COUNT_MAX}. */
  readonly memberCountMax?: number | undefined;
}

type Member = { readonly start: number; readonly size: number } | { readonly link: string };

export class TarFiles implements ImageFiles {
  readonly name: string;
  readonly #file: FileHandle;
  readonly #members: ReadonlyMap<string, Member>;

  private constructor(name: string, file: FileHandle, members: ReadonlyMap<string, Member>) {
    this.name = name;
    this.#file = file;
    this.#members = members;
  }

  /**
   * @param path file with the tar
   * @param name for messages
   * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT when it is no plain tar, ERR_IO, ERR_ABORTED
   */
  static async open(path: string, name: string, options: OpenTarOptions = {}): Promise<TarFiles> {
    const file = await openPlainFile(path);
    try {
      return new TarFiles(name, file, await readMembers(file, name, options));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async sizeOf(path: string): Promise<number | undefined> {
    return this.#find(path)?.size;
  }

  async *open(path: string): AsyncGenerator<Uint8Array, void, void> {
    const member = this.#find(path);
    if (member === undefined) {
      throw new G8Error('ERR_NO_INPUT', `${this.name} has no ${showText(path)}`);
    }
    const { start, size } = member;
    let left = size;
    for await (const piece of readRange(this.#file, this.name, start, start + size)) {
      left -= piece.length;
      yield piece;
    }
    if (left > 0) throw malformedImage(`${this.name} is cut off in ${showText(path)}`);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #find(path: string): { readonly start: number; readonly size: number } | undefined {
    let at = path;
    for (let links = 0; links <= LINKS_MAX; links++) {
      const member = this.#members.get(at);
      if (member === undefined || 'start' in member) return member;
      at = member.link;
    }
    return undefined;
  }
}

async function readMembers(
  file: FileHandle,
  name: string,
  { signal, memberCountMax = MEMBER_COUNT_MAX }: OpenTarOptions,
): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const { size: end } = await file.stat();
  let front: PaxFields = {};
  for (let at = 0; at < end; ) {
    throwIfAborted(signal);
    const block = await readExactly(file, name, at, TAR_BLOCK_SIZE);
    if (isZeroBlock(block)) return members;
    const header = decodeTarHeader(block, at);
    const start = at + TAR_BLOCK_SIZE;
    const size = front.size ?? header.size;
    if (size > end - start) throw malformedImage(`${name} is cut off`);
    if ('xLKg'.includes(header.typeflag)) {
      const length = Math.min(header.size, PAX_SIZE_MAX + 1);
      if (length > PAX_SIZE_MAX) throw malformedImage(`${name} has an endless header`);
      addFront(front, header.typeflag, await readExactly(file, name, start, length), at);
    } else {
      addMember(members, header, front, { start, size });
      front = {};
    }
    if (members.size > memberCountMax) {
      throw malformedImage(`${name} has more than ${memberCountMax} members`);
    }
    at = start + Math.ceil(size / TAR_BLOCK_SIZE) * TAR_BLOCK_SIZE;
  }
  return members;
}

function addFront(front: PaxFields, typeflag: string, data: Uint8Array, at: number): void {
  const end = data.indexOf(0);
  const text = data.slice(0, end < 0 ? data.length : end);
  if (typeflag === 'x') addPaxRecords(front, data, at);
  else if (typeflag === 'L') front.path = text;
  else if (typeflag === 'K') front.linkPath = text;
}

function addMember(
  members: Map<string, Member>,
  header: ReturnType<typeof decodeTarHeader>,
  front: PaxFields,
  place: { readonly start: number; readonly size: number },
): void {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const path = memberPath(text(front.path ?? header.name));
  const target = text(front.linkPath ?? header.linkName);
  switch (header.typeflag) {
    case '0':
    case '\0':
      members.set(path, place);
      break;
    case '1':
      members.set(path, { link: memberPath(target) });
      break;
    case '2':
      members.set(path, { link: memberPath(posix.join(posix.dirname(path), target)) });
      break;
  }
}

/** The name that documents of the image use; nothing outside has one. */
function memberPath(path: string): string {
  return posix.join('/', path).slice(1);
}

async function readExactly(
  file: FileHandle,
  name: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = Buffer.alloc(length);
  try {
    const { bytesRead } = await file.read(bytes, 0, length, position);
    if (bytesRead === length) return bytes;
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${name} cannot be read`);
  }
  throw malformedImage(`${name} is cut off`);
}
