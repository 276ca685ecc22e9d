/**
 * Frames between the daemon and a guest program. All numbers are little-endian.
 *
 *     request   u32 size of the rest | u32 id | u8 operation | fields
 *     reply     u32 size of the rest | u32 id | u8 kind | fields
 *
 * A field is a u32, a u64, or bytes behind their u32 size. `native/guest/frame.h` is the other side. What a
 * guest in a container says is as hostile as the container.
 */
import { G8Error } from '../../base/errors.ts';

/** Operations, by the number in a request. */
export const OPERATIONS = {
  open: 1,
  read: 2,
  write: 3,
  close: 4,
  exists: 5,
  list: 6,
  makeFolder: 7,
  remove: 8,
  move: 9,
  chmod: 10,
  chown: 11,
  look: 12,
  kill: 13,
} as const;
export type Operation = keyof typeof OPERATIONS;

/** A reply is complete; goes on; says by errno that the operation failed. */
export type ReplyKind = 'end' | 'part' | 'error';
const KINDS: readonly ReplyKind[] = ['end', 'part', 'error'];

export interface Reply {
  readonly id: number;
  readonly kind: ReplyKind;
  readonly fields: FieldReader;
}

/** Of a frame: a read or written block with what describes it. */
export const FRAME_SIZE_MAX = 1024 * 1024;
const REPLY_HEAD_SIZE = 5;

export type Field = number | bigint | string | Uint8Array;

/** @param fields a number is a u32, a bigint a u64 */
export function encodeRequest(
  id: number,
  operation: Operation,
  fields: readonly Field[],
): Uint8Array {
  const parts = fields.map(encodeField);
  const size = parts.reduce((sum, part) => sum + part.length, REPLY_HEAD_SIZE);
  if (size > FRAME_SIZE_MAX) throw new RangeError(`A request of ${size} bytes is too large`);
  const head = Buffer.alloc(9);
  head.writeUInt32LE(size, 0);
  head.writeUInt32LE(id, 4);
  head.writeUInt8(OPERATIONS[operation], 8);
  return Buffer.concat([head, ...parts]);
}

function encodeField(field: Field): Buffer {
  if (typeof field === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(field, 0);
    return bytes;
  }
  if (typeof field === 'bigint') {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(field, 0);
    return bytes;
  }
  const content = typeof field === 'string' ? Buffer.from(field, 'utf8') : field;
  return Buffer.concat([encodeField(content.length), content]);
}

/** Cuts a stream of bytes into replies. */
export class ReplyReader {
  #pieces: Buffer[] = [];
  #size = 0;

  /** @throws ERR_PROTOCOL; the stream is of no more use then */
  *push(bytes: Buffer): Generator<Reply> {
    this.#pieces.push(bytes);
    this.#size += bytes.length;
    while (this.#size >= 4) {
      const size = this.#take(4, false).readUInt32LE(0);
      if (size < REPLY_HEAD_SIZE || size > FRAME_SIZE_MAX) throw broken();
      if (this.#size < 4 + size) return;
      const frame = this.#take(4 + size, true);
      const kind = KINDS[frame.readUInt8(8)];
      if (kind === undefined) throw broken();
      yield { id: frame.readUInt32LE(4), kind, fields: new FieldReader(frame.subarray(9)) };
    }
  }

  #take(size: number, isUsed: boolean): Buffer {
    // Most frames come in one piece.
    if ((this.#pieces[0] as Buffer).length < size) this.#pieces = [Buffer.concat(this.#pieces)];
    const all = this.#pieces[0] as Buffer;
    if (isUsed) {
      const rest = all.subarray(size);
      if (rest.length === 0) this.#pieces.shift();
      else this.#pieces[0] = rest;
      this.#size -= size;
    }
    return all.subarray(0, size);
  }
}

/** Reads the fields of a reply in order. Each call throws ERR_PROTOCOL when there is no such field. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  u32(): number {
    return this.#take(4).readUInt32LE(0);
  }

  u64(): bigint {
    return this.#take(8).readBigUInt64LE(0);
  }

  bytes(): Buffer {
    return this.#take(this.u32());
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  #take(size: number): Buffer {
    if (size > this.#bytes.length - this.#at) throw broken();
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}

function broken(): G8Error {
  return new G8Error('ERR_PROTOCOL', 'A guest program has answered with something else');
}
