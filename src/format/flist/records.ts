/**
 * Record values: what the messages of a flist's database say, field by field, in every generation.
 * Decoding judges only the shape of the bytes; what the values mean is decided in `read-tree.ts`.
 * Pure. Byte fields of decoded records are views of the message.
 */
import { G8Error } from '../../base/errors.ts';
import { ListReader, openMessage, StructReader } from '../capnp/reader.ts';
import { MessageWriter } from '../capnp/writer.ts';
import type { Xattr } from '../tree.ts';

/** Numbers of `Special.Type`. */
export const SPECIAL = { socket: 0, block: 1, chardev: 2, fifopipe: 3, unknown: 4 } as const;
/** Numbers of `File.codec`. */
export const FILE_CODEC = { historical: 0, zstd: 1 } as const;

/** What we append to `Dir` and `Inode`. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** The same number in every name of a hard link; 0 for an inode with one name. */
  readonly linkId: number;
  readonly xattrs: readonly Xattr[];
}

export interface FileBlock {
  readonly hash: Uint8Array;
  readonly key: Uint8Array;
  readonly storedSize: number;
}

/** The union in an `Inode`; its member is the type of the file. */
export type InodeBody =
  | { readonly type: 'dir'; readonly key: string }
  | {
      readonly type: 'file';
      /** In units of 4096 bytes, as stored. */
      readonly blockSize: number;
      readonly codec: number;
      readonly blocks: readonly FileBlock[];
    }
  | { readonly type: 'link'; readonly target: Uint8Array }
  | { readonly type: 'special'; readonly specialType: number; readonly data: Uint8Array };

export interface InodeRecord {
  readonly name: Uint8Array;
  readonly size: number;
  readonly body: InodeBody;
  /** Database key of an ACI record; empty when there is none. */
  readonly aciKey: string;
  /** Unsigned 32-bit seconds since 1970; so is `creationTime`. */
  readonly modificationTime: number;
  readonly creationTime: number;
  readonly attributes?: Attributes;
}

export interface DirRecord {
  readonly name: Uint8Array;
  /** Path without leading slash. */
  readonly location: Uint8Array;
  readonly contents: readonly InodeRecord[];
  /** Database key of the parent directory; may be empty for the root. */
  readonly parent: string;
  readonly size: number;
  readonly aciKey: string;
  readonly modificationTime: number;
  readonly creationTime: number;
  readonly attributes?: Attributes;
}

export interface AciRecord {
  readonly uname: string;
  readonly gname: string;
  readonly mode: number;
  /** 64-bit signed; -1 when not recorded. So is `gid`. */
  readonly uid: bigint;
  readonly gid: bigint;
}

const BODY_TYPES = ['dir', 'file', 'link', 'special'] as const;
const BODY_POINTER = 1;
const NO_ID = -1n;
const NO_XATTRS: readonly Xattr[] = [];

/** @throws ERR_FLIST_FORMAT, and ERR_FLIST_VERSION when it has kinds of files that we do not know */
export function decodeDir(message: Uint8Array): DirRecord {
  const dir = openMessage(message);
  const decoder = new EntryDecoder();
  const contents: InodeRecord[] = [];
  decoder.list(dir, 2, contents);
  const attributes = decoder.attributes(dir, 5);
  return {
    name: dir.text(0),
    location: dir.text(1),
    contents,
    parent: dir.latin1(3),
    size: dir.uint64(0),
    aciKey: dir.latin1(4),
    modificationTime: dir.uint32(8),
    creationTime: dir.uint32(12),
    ...(attributes && { attributes }),
  };
}

/** @throws ERR_FLIST_FORMAT */
export function decodeAci(message: Uint8Array): AciRecord {
  const aci = openMessage(message);
  return {
    uname: Buffer.from(aci.text(0)).toString(),
    gname: Buffer.from(aci.text(1)).toString(),
    mode: aci.uint16(0),
    uid: BigInt.asIntN(64, aci.bits64(8) ^ NO_ID),
    gid: BigInt.asIntN(64, aci.bits64(16) ^ NO_ID),
  };
}

/** Decodes the entries of one directory with one set of cursors. */
class EntryDecoder {
  readonly #entries = new ListReader();
  readonly #entry = new StructReader();
  readonly #body = new StructReader();
  readonly #items = new ListReader();
  readonly #item = new StructReader();
  readonly #posix = new StructReader();

  list(dir: StructReader, index: number, into: InodeRecord[]): void {
    dir.list(index, this.#entries);
    for (let i = 0; i < this.#entries.count; i++) {
      this.#entries.at(i, this.#entry);
      into.push(this.#inode(this.#entry));
    }
  }

  attributes(from: StructReader, index: number): Attributes | undefined {
    const posix = this.#posix;
    if (!from.struct(index, posix)) return undefined;
    return {
      mode: posix.uint32(0),
      uid: posix.uint32(4),
      gid: posix.uint32(8),
      nlink: posix.uint32(12),
      mtimeSeconds: posix.int64(32),
      mtimeNanoseconds: posix.uint32(16),
      rdevMajor: posix.uint32(20),
      rdevMinor: posix.uint32(24),
      linkId: posix.uint64(40),
      xattrs: this.#xattrs(posix),
    };
  }

  #inode(entry: StructReader): InodeRecord {
    const record = {
      name: entry.text(0),
      size: entry.uint64(0),
      body: this.#bodyOf(entry),
      aciKey: entry.latin1(2),
      modificationTime: entry.uint32(12),
      creationTime: entry.uint32(16),
    };
    const attributes = this.attributes(entry, 3);
    return attributes === undefined ? record : { ...record, attributes };
  }

  #bodyOf(entry: StructReader): InodeBody {
    const type = BODY_TYPES[entry.uint16(8)];
    if (type === undefined) {
      throw new G8Error('ERR_FLIST_VERSION', 'Flist record has an unknown kind of file');
    }
    const body = this.#body;
    const isPresent = entry.struct(BODY_POINTER, body);
    if (!isPresent) body.clear();
    switch (type) {
      case 'dir':
        return { type, key: body.latin1(0) };
      case 'file':
        return { type, blockSize: body.uint16(0), codec: body.uint16(2), blocks: this.#blocks() };
      case 'link':
        return { type, target: body.text(0) };
      case 'special':
        return { type, specialType: body.uint16(0), data: body.data(0) };
    }
  }

  #blocks(): FileBlock[] {
    const blocks: FileBlock[] = [];
    this.#body.list(0, this.#items);
    for (let i = 0; i < this.#items.count; i++) {
      this.#items.at(i, this.#item);
      const item = this.#item;
      blocks.push({ hash: item.data(0), key: item.data(1), storedSize: item.uint32(0) });
    }
    return blocks;
  }

  #xattrs(posix: StructReader): readonly Xattr[] {
    posix.list(0, this.#items);
    if (this.#items.count === 0) return NO_XATTRS;
    const xattrs: Xattr[] = [];
    for (let i = 0; i < this.#items.count; i++) {
      this.#items.at(i, this.#item);
      xattrs.push({ name: this.#item.data(0), value: this.#item.data(1) });
    }
    return xattrs;
  }
}

/**
 * Struct sizes: `ours` has room for what we append. `historical` has none, and no attributes, codecs or
 * stored sizes are written.
 */
export type RecordLayout = 'ours' | 'historical';

/** @throws ERR_CREATE when the directory does not fit one message */
export function encodeDir(
  record: DirRecord,
  writer: MessageWriter = new MessageWriter(),
  layout: RecordLayout = 'ours',
): Uint8Array {
  const isOurs = layout === 'ours';
  const at = writer.begin(2, isOurs ? 6 : 5);
  const pointers = at + 16;
  writer.int64(at, record.size);
  writer.uint32(at + 8, record.modificationTime);
  writer.uint32(at + 12, record.creationTime);
  writer.text(pointers, record.name);
  writer.text(pointers + 8, record.location);
  writeKey(writer, pointers + 24, record.parent);
  writeKey(writer, pointers + 32, record.aciKey);
  if (isOurs) writeAttributes(writer, pointers + 40, record.attributes);
  const pointerCount = isOurs ? 4 : 3;
  let entry = writer.list(pointers + 16, record.contents.length, 3, pointerCount);
  for (const inode of record.contents) {
    writeInode(writer, entry, inode, layout);
    entry += (3 + pointerCount) * 8;
  }
  return writer.finish();
}

export function encodeAci(
  record: AciRecord,
  writer: MessageWriter = new MessageWriter(),
): Uint8Array {
  const at = writer.begin(3, 3);
  writer.uint16(at, record.mode);
  writer.bits64(at + 8, BigInt.asUintN(64, record.uid ^ NO_ID));
  writer.bits64(at + 16, BigInt.asUintN(64, record.gid ^ NO_ID));
  writer.text(at + 24, Buffer.from(record.uname));
  writer.text(at + 32, Buffer.from(record.gname));
  return writer.finish();
}

function writeInode(
  writer: MessageWriter,
  at: number,
  inode: InodeRecord,
  layout: RecordLayout,
): void {
  const pointers = at + 24;
  writer.int64(at, inode.size);
  writer.uint16(at + 8, BODY_TYPES.indexOf(inode.body.type));
  writer.uint32(at + 12, inode.modificationTime);
  writer.uint32(at + 16, inode.creationTime);
  writer.text(pointers, inode.name);
  writeBody(writer, pointers + 8, inode.body, layout);
  writeKey(writer, pointers + 16, inode.aciKey);
  if (layout === 'ours') writeAttributes(writer, pointers + 24, inode.attributes);
}

function writeBody(
  writer: MessageWriter,
  pointer: number,
  body: InodeBody,
  layout: RecordLayout,
): void {
  switch (body.type) {
    case 'dir':
      writeKey(writer, writer.struct(pointer, 0, 1), body.key);
      break;
    case 'link':
      writer.text(writer.struct(pointer, 0, 1), body.target);
      break;
    case 'special': {
      const at = writer.struct(pointer, 1, 1);
      writer.uint16(at, body.specialType);
      if (body.data.length > 0) writer.data(at + 8, body.data);
      break;
    }
    case 'file': {
      const at = writer.struct(pointer, 1, 1);
      writer.uint16(at, body.blockSize);
      if (layout === 'ours') writer.uint16(at + 2, body.codec);
      if (body.blocks.length > 0) writeBlocks(writer, at + 8, body.blocks, layout);
      break;
    }
  }
}

function writeBlocks(
  writer: MessageWriter,
  pointer: number,
  blocks: readonly FileBlock[],
  layout: RecordLayout,
): void {
  const dataWords = layout === 'ours' ? 1 : 0;
  let at = writer.list(pointer, blocks.length, dataWords, 2);
  for (const block of blocks) {
    const pointers = at + dataWords * 8;
    if (layout === 'ours') writer.uint32(at, block.storedSize);
    if (block.hash.length > 0) writer.data(pointers, block.hash);
    if (block.key.length > 0) writer.data(pointers + 8, block.key);
    at = pointers + 2 * 8;
  }
}

function writeAttributes(writer: MessageWriter, pointer: number, value?: Attributes): void {
  if (value === undefined) return;
  const at = writer.struct(pointer, 6, 1);
  writer.uint32(at, value.mode);
  writer.uint32(at + 4, value.uid);
  writer.uint32(at + 8, value.gid);
  writer.uint32(at + 12, value.nlink);
  writer.uint32(at + 16, value.mtimeNanoseconds);
  writer.uint32(at + 20, value.rdevMajor);
  writer.uint32(at + 24, value.rdevMinor);
  writer.int64(at + 32, value.mtimeSeconds);
  writer.int64(at + 40, value.linkId);
  if (value.xattrs.length === 0) return;
  let item = writer.list(at + 48, value.xattrs.length, 0, 2);
  for (const xattr of value.xattrs) {
    writer.data(item, xattr.name);
    writer.data(item + 8, xattr.value);
    item += 2 * 8;
  }
}

/** An empty key is an absent one. */
function writeKey(writer: MessageWriter, pointer: number, key: string): void {
  if (key.length > 0) writer.text(pointer, Buffer.from(key, 'latin1'));
}
