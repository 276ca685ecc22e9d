/**
 * Writes Cap'n Proto messages of one segment in unpacked stream framing. Knows no schema: callers
 * name sizes and positions. The buffer is kept from message to message. Synchronous; one message at
 * a time.
 *
 * Positions are byte offsets into the message: a struct at `at` with `d` data words has its field of
 * offset `o` at `at + o` and its pointer `i` at `at + 8 * (d + i)`.
 *
 * @see https://capnproto.org/encoding.html
 */
import { G8Error } from '../../base/errors.ts';

const WORD = 8;
const BUFFER_SIZE_MIN = 64 * 1024;
/** A directory of three million files; readers of the database hold such a value in memory. */
const MESSAGE_SIZE_MAX = 1024 * 1024 * 1024;
/** Segment count - 1 and the segment's words. */
const HEADER_SIZE = 8;

const KIND_LIST = 1;
const ELEMENT_BYTE = 2;
const ELEMENT_COMPOSITE = 7;

export class MessageWriter {
  #bytes = new Uint8Array(BUFFER_SIZE_MIN);
  #view = new DataView(this.#bytes.buffer);
  #size = 0;

  /** Starts a message. @returns position of its root struct */
  begin(dataWords: number, pointerCount: number): number {
    this.#size = 0;
    this.#allocate(HEADER_SIZE);
    return this.struct(this.#allocate(WORD), dataWords, pointerCount);
  }

  /** Adds a struct under the pointer at `pointer`. @returns its position */
  struct(pointer: number, dataWords: number, pointerCount: number): number {
    const at = this.#allocate((dataWords + pointerCount) * WORD);
    this.#point(pointer, at, 0, dataWords | (pointerCount << 16));
    return at;
  }

  /** Adds a list of structs. @returns position of the first, the others follow without gaps */
  list(pointer: number, count: number, dataWords: number, pointerCount: number): number {
    const words = count * (dataWords + pointerCount);
    const at = this.#allocate(WORD + words * WORD);
    this.#point(pointer, at, KIND_LIST, (words << 3) | ELEMENT_COMPOSITE);
    this.#view.setUint32(at, count << 2, true);
    this.#view.setUint32(at + 4, dataWords | (pointerCount << 16), true);
    return at + WORD;
  }

  /** Adds a text; its NUL is added here. */
  text(pointer: number, bytes: Uint8Array): void {
    this.#byteList(pointer, bytes, bytes.length + 1);
  }

  data(pointer: number, bytes: Uint8Array): void {
    this.#byteList(pointer, bytes, bytes.length);
  }

  uint16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  uint32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** Signed or unsigned: any safe integer. */
  int64(at: number, value: number): void {
    const high = Math.floor(value / 2 ** 32);
    this.#view.setUint32(at, value - high * 2 ** 32, true);
    this.#view.setInt32(at + 4, high, true);
  }

  bits64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
  }

  /** Ends the message. @returns a copy of its own */
  finish(): Uint8Array {
    this.#view.setUint32(4, (this.#size - HEADER_SIZE) / WORD, true);
    return this.#bytes.slice(0, this.#size);
  }

  #byteList(pointer: number, bytes: Uint8Array, count: number): void {
    const at = this.#allocate(count);
    this.#bytes.set(bytes, at);
    this.#point(pointer, at, KIND_LIST, (count << 3) | ELEMENT_BYTE);
  }

  #point(pointer: number, target: number, kind: number, high: number): void {
    this.#view.setUint32(pointer, (((target - pointer) / WORD - 1) << 2) | kind, true);
    this.#view.setUint32(pointer + 4, high, true);
  }

  /** Zeroed room for `size` bytes, rounded up to words. */
  #allocate(size: number): number {
    const at = this.#size;
    const end = at + Math.ceil(size / WORD) * WORD;
    if (end > MESSAGE_SIZE_MAX) {
      throw new G8Error('ERR_CREATE', 'Directory has too many entries for one record', {
        details: { sizeBytesMax: MESSAGE_SIZE_MAX },
      });
    }
    if (end > this.#bytes.length) this.#grow(end);
    else this.#bytes.fill(0, at, end);
    this.#size = end;
    return at;
  }

  #grow(size: number): void {
    const bytes = new Uint8Array(
      Math.max(size, Math.min(this.#bytes.length * 2, MESSAGE_SIZE_MAX)),
    );
    bytes.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
