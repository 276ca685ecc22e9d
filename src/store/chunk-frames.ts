/**
 * Framing of many chunks in one body, `application/vnd.g8ufs.chunks` (docs/protocol.md). Pure.
 *
 * A frame is: length of the id (1 byte), id, status (1 byte), size (4 bytes, little endian), bytes.
 */
import { fromHex, toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { CHUNK_SIZE_MAX, type ChunkId } from './store.ts';

export const CHUNKS_MEDIA_TYPE = 'application/vnd.g8ufs.chunks';

/** What became of one chunk; `error` carries a message in UTF-8 as its bytes. */
export const FRAME_STATUS = { ok: 0, missing: 1, error: 2 } as const;
export type FrameStatus = (typeof FRAME_STATUS)[keyof typeof FRAME_STATUS];

export interface ChunkFrame {
  readonly id: ChunkId;
  readonly status: FrameStatus;
  readonly bytes: Uint8Array;
}

/** One sentence fits; a peer has no reason to send more. */
export const FRAME_MESSAGE_SIZE_MAX = 1024;
/** Length byte, 32 bytes of id, status, size. */
export const FRAME_HEADER_SIZE_MAX = 1 + 32 + 1 + 4;

/** The bytes in front of a chunk's own. */
export function encodeFrameHeader(id: ChunkId, status: FrameStatus, size: number): Uint8Array {
  const idBytes = fromHex(id);
  if (idBytes === undefined) throw new TypeError(`Not a chunk id: ${id}`);
  const header = new Uint8Array(idBytes.length + 6);
  header[0] = idBytes.length;
  header.set(idBytes, 1);
  header[1 + idBytes.length] = status;
  new DataView(header.buffer).setUint32(2 + idBytes.length, size, true);
  return header;
}

/** Takes a body in pieces of any size and gives the frames that are complete. */
export class FrameDecoder {
  readonly #header = new Uint8Array(FRAME_HEADER_SIZE_MAX);
  #headerFilled = 0;
  #frame: (FrameHeader & { bytes: Uint8Array | undefined; filled: number }) | undefined;

  /**
   * Frames that lie in one piece share its memory: the piece is the decoder's from then on.
   *
   * @throws ERR_PROTOCOL when a frame breaks the format; the decoder is then of no more use
   */
  push(piece: Uint8Array): ChunkFrame[] {
    const frames: ChunkFrame[] = [];
    let offset = 0;
    while (offset < piece.length || this.#frame?.size === 0) {
      if (this.#frame === undefined) {
        offset += this.#takeHeader(piece, offset);
        continue;
      }
      const { id, status, size, filled } = this.#frame;
      const part = piece.subarray(offset, offset + size - filled);
      offset += part.length;
      if (part.length === size) {
        frames.push({ id, status, bytes: part });
        this.#frame = undefined;
        continue;
      }
      // Not from Node's pool, which one small chunk would keep.
      this.#frame.bytes ??= Buffer.allocUnsafeSlow(size);
      this.#frame.bytes.set(part, filled);
      this.#frame.filled += part.length;
      if (this.#frame.filled === size) {
        frames.push({ id, status, bytes: this.#frame.bytes });
        this.#frame = undefined;
      }
    }
    return frames;
  }

  /** @throws ERR_PROTOCOL when the body ended within a frame */
  end(): void {
    if (this.#headerFilled > 0 || this.#frame !== undefined) {
      throw new G8Error('ERR_PROTOCOL', 'Chunk stream ends within a frame');
    }
  }

  #takeHeader(piece: Uint8Array, offset: number): number {
    let taken = 0;
    while (offset + taken < piece.length) {
      this.#header[this.#headerFilled++] = piece[offset + taken++] as number;
      const idSize = this.#header[0] as number;
      if (idSize !== 16 && idSize !== 32) {
        throw new G8Error('ERR_PROTOCOL', `Chunk stream has an id of ${idSize} bytes`);
      }
      if (this.#headerFilled === idSize + 6) {
        this.#headerFilled = 0;
        const header = headerOf(this.#header.subarray(0, idSize + 6), idSize);
        this.#frame = { ...header, bytes: undefined, filled: 0 };
        break;
      }
    }
    return taken;
  }
}

interface FrameHeader {
  readonly id: ChunkId;
  readonly status: FrameStatus;
  readonly size: number;
}

function headerOf(header: Uint8Array, idSize: number): FrameHeader {
  const id = toHex(header.subarray(1, 1 + idSize));
  const status = header[1 + idSize] as FrameStatus;
  const size = new DataView(header.buffer, header.byteOffset).getUint32(2 + idSize, true);
  const sizeMax = [CHUNK_SIZE_MAX, 0, FRAME_MESSAGE_SIZE_MAX][status];
  if (sizeMax === undefined) {
    throw new G8Error('ERR_PROTOCOL', `Chunk stream has the unknown status ${status}`);
  }
  if (size > sizeMax) {
    throw new G8Error('ERR_PROTOCOL', `Chunk stream has a frame of ${size} bytes for ${id}`);
  }
  return { id, status, size };
}

/** The frames of a streamed body. @throws ERR_PROTOCOL */
export async function* decodeFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<ChunkFrame, void, void> {
  const decoder = new FrameDecoder();
  for await (const piece of source) yield* decoder.push(piece);
  decoder.end();
}
