/**
 * Reads Cap'n Proto messages in unpacked stream framing. Knows no schema: callers name offsets and
 * apply default values themselves. Every pointer is checked against its segment, and the words that
 * a message may make a reader visit are bounded by its own size, so that overlapping pointers cannot
 * multiply the work. Structs and lists are cursors that callers reuse: reading a field allocates
 * nothing but the result. Synchronous; one message belongs to one caller at a time.
 *
 * @see https://capnproto.org/encoding.html
 */
import { G8Error } from '../../base/errors.ts';

const WORD = 8;
/** 64 MiB in the 4 KiB pieces that the historical C writer grows by, with room to spare. */
const SEGMENT_COUNT_MAX = 32 * 1024;
/** Fields are read at most twice; the constant covers far pointers of tiny messages. */
const TRAVERSAL_FACTOR = 2;
const TRAVERSAL_WORDS_MIN = 1024;

const KIND_STRUCT = 0;
const KIND_LIST = 1;
const KIND_FAR = 2;
const ELEMENT_BYTE = 2;
const ELEMENT_COMPOSITE = 7;
const HIGH_MAX = 0x1fffff;

const EMPTY = new Uint8Array(0);

function malformed(what: string): G8Error {
  return new G8Error('ERR_FLIST_FORMAT', `Flist record ${what}`);
}

/** The bytes of one message and the pointer that was followed last. */
class Message {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #buffer: Buffer;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #wordsLeft: number;

  /** Set by {@link follow}: the segment and position of the target, and the pointer that says what it is. */
  segment = 0;
  target = 0;
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.byteLength < WORD) throw malformed('is shorter than a message header');
    const count = this.view.getUint32(0, true) + 1;
    if (count > SEGMENT_COUNT_MAX) throw malformed(`has ${count} segments`);
    let position = Math.ceil((4 + 4 * count) / WORD) * WORD;
    if (position > bytes.byteLength) throw malformed('ends inside its segment table');
    for (let index = 0; index < count; index++) {
      const end = position + this.view.getUint32(4 + 4 * index, true) * WORD;
      if (end > bytes.byteLength) throw malformed('ends inside a segment');
      this.#starts.push(position);
      this.#ends.push(end);
      position = end;
    }
    this.#wordsLeft = (bytes.byteLength / WORD) * TRAVERSAL_FACTOR + TRAVERSAL_WORDS_MIN;
  }

  /** Position of the root pointer. */
  get root(): number {
    const start = this.#starts[0] as number;
    this.#check(0, start, start + WORD);
    return start;
  }

  /** Resolves the pointer at `position`, far pointers included. @returns false when it is null */
  follow(segment: number, position: number): boolean {
    this.low = this.view.getUint32(position, true);
    this.high = this.view.getUint32(position + 4, true);
    if (this.low === 0 && this.high === 0) return false;
    this.segment = segment;
    if ((this.low & 3) === KIND_FAR) return this.#followFar();
    this.target = position + WORD + (this.low >> 2) * WORD;
    return true;
  }

  #followFar(): boolean {
    const isDouble = (this.low & 4) !== 0;
    const pad = this.#landing();
    this.#charge(2);
    this.#check(this.segment, pad, pad + (isDouble ? 2 : 1) * WORD);
    this.low = this.view.getUint32(pad, true);
    this.high = this.view.getUint32(pad + 4, true);
    if (!isDouble) {
      if (this.low === 0 && this.high === 0) return false;
      if ((this.low & 3) === KIND_FAR) throw malformed('has a far pointer to a far pointer');
      this.target = pad + WORD + (this.low >> 2) * WORD;
      return true;
    }
    if ((this.low & 7) !== KIND_FAR) throw malformed('has a broken double-far pointer');
    this.target = this.#landing();
    this.low = this.view.getUint32(pad + WORD, true);
    this.high = this.view.getUint32(pad + WORD + 4, true);
    return true;
  }

  /** Where the far pointer in `low` and `high` points; moves to its segment. */
  #landing(): number {
    const start = this.#starts[this.high];
    if (start === undefined) throw malformed('points into an absent segment');
    this.segment = this.high;
    return start + (this.low >>> 3) * WORD;
  }

  /** Checks that the bytes of the followed pointer lie in its segment, and counts them as visited. */
  claim(sizeBytes: number, extraWords = 0): void {
    this.#check(this.segment, this.target, this.target + sizeBytes);
    this.#charge(Math.ceil(sizeBytes / WORD) + extraWords);
  }

  #check(segment: number, start: number, end: number): void {
    if (start < (this.#starts[segment] as number) || end > (this.#ends[segment] as number)) {
      throw malformed('points outside its segment');
    }
  }

  #charge(words: number): void {
    this.#wordsLeft -= words;
    if (this.#wordsLeft < 0) throw malformed('refers to its own parts too often');
  }

  /** Checks that the followed pointer is a list of bytes. @returns its size */
  claimBytes(): number {
    if ((this.low & 3) !== KIND_LIST || (this.high & 7) !== ELEMENT_BYTE) {
      throw malformed('has a pointer that is no byte list');
    }
    const size = this.high >>> 3;
    this.claim(size);
    return size;
  }

  /** The same for a text. @returns its size without the final NUL */
  claimText(): number {
    const size = this.claimBytes();
    if (size === 0) return 0;
    if (this.bytes[this.target + size - 1] !== 0) {
      throw malformed('has a text without its final NUL');
    }
    return size - 1;
  }

  latin1Text(): string {
    const size = this.claimText();
    return this.#buffer.toString('latin1', this.target, this.target + size);
  }
}

/** Cursor over one struct. Offsets are bytes into the data section, indexes count pointers. */
export class StructReader {
  #message: Message | undefined;
  #segment = 0;
  #data = 0;
  #dataSize = 0;
  #pointers = 0;
  #pointerCount = 0;

  /** Internal to this module: where the cursor stands. */
  place(
    message: Message,
    segment: number,
    data: number,
    dataSize: number,
    pointerCount: number,
  ): void {
    this.#message = message;
    this.#segment = segment;
    this.#data = data;
    this.#dataSize = dataSize;
    this.#pointers = data + dataSize;
    this.#pointerCount = pointerCount;
  }

  /** Stands on no struct: every field has its zero value. */
  clear(): void {
    this.#message = undefined;
    this.#dataSize = 0;
    this.#pointerCount = 0;
  }

  /** 0 when the writer did not know the field; so do the other numbers. */
  uint16(offset: number): number {
    if (offset + 2 > this.#dataSize) return 0;
    return this.#view().getUint16(this.#data + offset, true);
  }

  uint32(offset: number): number {
    if (offset + 4 > this.#dataSize) return 0;
    return this.#view().getUint32(this.#data + offset, true);
  }

  /** @throws ERR_FLIST_FORMAT when it is above 2^53 - 1 */
  uint64(offset: number): number {
    if (offset + 8 > this.#dataSize) return 0;
    const high = this.#view().getUint32(this.#data + offset + 4, true);
    if (high > HIGH_MAX) throw malformed('has a number above 2^53');
    return high * 2 ** 32 + this.#view().getUint32(this.#data + offset, true);
  }

  /** @throws ERR_FLIST_FORMAT when it is outside ±(2^53 - 1) */
  int64(offset: number): number {
    if (offset + 8 > this.#dataSize) return 0;
    const high = this.#view().getInt32(this.#data + offset + 4, true);
    const value = high * 2 ** 32 + this.#view().getUint32(this.#data + offset, true);
    if (!Number.isSafeInteger(value)) throw malformed('has a number outside 2^53');
    return value;
  }

  /** All 64 bits, for fields whose default value has to be applied to them. */
  bits64(offset: number): bigint {
    if (offset + 8 > this.#dataSize) return 0n;
    return this.#view().getBigUint64(this.#data + offset, true);
  }

  /** A view of the message, without the final NUL; empty when absent. */
  text(index: number): Uint8Array {
    const message = this.#follow(index);
    if (message === undefined) return EMPTY;
    const size = message.claimText();
    return size === 0 ? EMPTY : message.bytes.subarray(message.target, message.target + size);
  }

  /** A text as a string of one character for each byte; for keys, of which there are many. */
  latin1(index: number): string {
    const message = this.#follow(index);
    return message === undefined ? '' : message.latin1Text();
  }

  /** A view of the message; empty when absent. */
  data(index: number): Uint8Array {
    const message = this.#follow(index);
    if (message === undefined) return EMPTY;
    const size = message.claimBytes();
    return message.bytes.subarray(message.target, message.target + size);
  }

  /** Places `into` on the struct. @returns false when it is absent */
  struct(index: number, into: StructReader): boolean {
    const message = this.#follow(index);
    if (message === undefined) return false;
    placeStruct(message, into);
    return true;
  }

  /** Places `into` on a list of structs. An absent list is an empty one. */
  list(index: number, into: ListReader): void {
    const message = this.#follow(index);
    if (message === undefined) into.clear();
    else into.place(message);
  }

  #follow(index: number): Message | undefined {
    if (index >= this.#pointerCount) return undefined;
    const message = this.#message as Message;
    return message.follow(this.#segment, this.#pointers + index * WORD) ? message : undefined;
  }

  #view(): DataView {
    return (this.#message as Message).view;
  }
}

function placeStruct(message: Message, into: StructReader): void {
  if ((message.low & 3) !== KIND_STRUCT) throw malformed('has a pointer that is no struct');
  const dataSize = (message.high & 0xffff) * WORD;
  const pointerCount = message.high >>> 16;
  message.claim(dataSize + pointerCount * WORD);
  into.place(message, message.segment, message.target, dataSize, pointerCount);
}

/** Cursor over a list of structs. */
export class ListReader {
  #message: Message | undefined;
  #segment = 0;
  #first = 0;
  #dataSize = 0;
  #pointerCount = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Internal to this module. */
  clear(): void {
    this.#message = undefined;
    this.#count = 0;
  }

  /** Internal to this module: stands on the pointer that `message` followed last. */
  place(message: Message): void {
    this.clear();
    if ((message.low & 3) !== KIND_LIST) throw malformed('has a pointer that is no list');
    const countOrWords = message.high >>> 3;
    if ((message.high & 7) !== ELEMENT_COMPOSITE) {
      if (countOrWords !== 0) throw malformed('has a list of other things than structs');
      return;
    }
    message.claim(WORD + countOrWords * WORD);
    const tag = message.view.getUint32(message.target, true);
    const shape = message.view.getUint32(message.target + 4, true);
    if ((tag & 3) !== KIND_STRUCT) throw malformed('has a list with a broken tag');
    const count = tag >>> 2;
    const elementWords = (shape & 0xffff) + (shape >>> 16);
    if (count * elementWords > countOrWords) throw malformed('has a list that is too short');
    // Elements of no size cost no bytes: count them as if they did.
    if (elementWords === 0) message.claim(0, count);
    this.#message = message;
    this.#segment = message.segment;
    this.#first = message.target + WORD;
    this.#dataSize = (shape & 0xffff) * WORD;
    this.#pointerCount = shape >>> 16;
    this.#count = count;
  }

  /** Places `into` on an element; `index` is 0 to count - 1. */
  at(index: number, into: StructReader): void {
    if (index < 0 || index >= this.#count) throw new RangeError(`No list element ${index}`);
    const size = this.#dataSize + this.#pointerCount * WORD;
    into.place(
      this.#message as Message,
      this.#segment,
      this.#first + index * size,
      this.#dataSize,
      this.#pointerCount,
    );
  }
}

/**
 * Places a cursor on the root struct of a message.
 *
 * @param bytes the whole message with its segment table; results are views of it
 * @throws ERR_FLIST_FORMAT when it is no message with a root struct
 */
export function openMessage(bytes: Uint8Array): StructReader {
  const message = new Message(bytes);
  if (!message.follow(0, message.root)) throw malformed('has no root');
  const root = new StructReader();
  placeStruct(message, root);
  return root;
}
