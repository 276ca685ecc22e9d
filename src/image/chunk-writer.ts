/**
 * Blocks into chunks: packed and digested by the addon, off the JS thread, and handed on unless they are
 * holes. What all sources of an image put their contents through; any number of blocks may be in
 * progress at a time, and whoever calls bounds how many.
 */
import { CODEC, DIGEST, type DigestAlgorithm } from '../base/codec.ts';
import { G8Error } from '../base/errors.ts';
import type { Chunk } from '../format/content.ts';
import type { MutableInode } from '../format/layer/node.ts';
import type {
  CodecBinding,
  EncodeDataRequest,
  EncodedChunk,
  EncodeFileRequest,
} from '../native/addon.ts';
import type { ChunkFolder } from '../store/store.ts';

/** 4 TiB of blocks of the default size: a sparse file of an archive may claim any size. */
const BLOCK_COUNT_MAX = 2 ** 23;

const NOTHING = new Uint8Array(0);
const HOLE: Chunk = { codec: CODEC.hole, id: NOTHING, plainDigest: NOTHING, storedSize: 0 };

/** Codecs that new chunks can have: today's, and those of historical readers. */
export type ChunkCodec = typeof CODEC.zstd | typeof CODEC.legacyG1 | typeof CODEC.legacyG2;

const ALGORITHMS: Readonly<Record<ChunkCodec, DigestAlgorithm>> = {
  [CODEC.zstd]: DIGEST.blake2b256,
  [CODEC.legacyG1]: DIGEST.sha256,
  [CODEC.legacyG2]: DIGEST.blake2b128,
};

export interface ChunkWriterOptions {
  readonly codec: Pick<CodecBinding, 'encodeChunk'>;
  /** Bytes, a power of two. */
  readonly blockSize: number;
  /** zstd level. */
  readonly level: number;
  /** Default zstd. */
  readonly chunkCodec?: ChunkCodec | undefined;
  /** Takes a chunk for the store; resolves when there is room for more. */
  readonly put: (id: Uint8Array, stored: Uint8Array) => Promise<void>;
  /** Folder of the store when it has one: whoever writes a chunk there says so with {@link note}. */
  readonly folder?: (() => Promise<ChunkFolder>) | undefined;
  /** Takes note of a chunk that is in the store; `isNew` says that it was not before. */
  readonly note?: ((id: Uint8Array, storedSize: number, isNew: boolean) => void) | undefined;
  /** Called with the plain size of each block that is done. */
  readonly onBytes?: ((bytes: number, isHole: boolean) => void) | undefined;
}

type Block = Pick<EncodeFileRequest, 'fd' | 'offset' | 'length'> | Pick<EncodeDataRequest, 'data'>;

export class ChunkWriter {
  readonly blockSize: number;
  readonly chunkCodec: ChunkCodec;
  readonly level: number;
  readonly #options: ChunkWriterOptions;
  #blockCount = 0;

  constructor(options: ChunkWriterOptions) {
    this.#options = options;
    this.blockSize = options.blockSize;
    this.chunkCodec = options.chunkCodec ?? CODEC.zstd;
    this.level = options.level;
  }

  /** Whether blocks of zeros are holes. Historical readers know none: there they are stored like others. */
  get hasHoles(): boolean {
    return this.chunkCodec === CODEC.zstd;
  }

  /** Of plain digests. */
  get algorithm(): DigestAlgorithm {
    return ALGORITHMS[this.chunkCodec];
  }

  /**
   * A chunk for each block of a file of that size, all of them holes so far.
   *
   * @param title of the file, for messages
   * @throws ERR_CREATE when the image would get more chunks than can be handled
   */
  chunksFor(size: number, title: string): Chunk[] {
    const count = Math.ceil(size / this.blockSize);
    this.#blockCount += count;
    if (this.#blockCount > BLOCK_COUNT_MAX) {
      throw new G8Error(
        'ERR_CREATE',
        `${title} has ${size} bytes, with which the image has more than ${BLOCK_COUNT_MAX} chunks; larger blocks may help`,
      );
    }
    return new Array<Chunk>(count).fill(HOLE);
  }

  /** Makes a chunk of a block and hands it on. */
  async write(block: Block): Promise<Chunk> {
    const { codec, level } = this.#options;
    const encoded = await codec.encodeChunk({ ...block, codec: this.chunkCodec, level });
    return await this.take(encoded, 'data' in block ? block.data.length : block.length);
  }

  /** Hands a chunk on that was made of a block of this many bytes. */
  async take({ hole, id, plainDigest, stored }: EncodedChunk, length: number): Promise<Chunk> {
    if (hole) return this.hole(length);
    await this.#options.put(id, stored);
    this.#options.onBytes?.(length, false);
    return { codec: this.chunkCodec, id, plainDigest, storedSize: stored.length };
  }

  /** Where chunks may be written past this object; `undefined` when the store has no such folder. */
  get folder(): (() => Promise<ChunkFolder>) | undefined {
    return this.#options.folder;
  }

  /** Takes note of a chunk that was written to the folder, made of a block of this many bytes. */
  note(
    { id, plainDigest, storedSize }: Omit<Chunk, 'codec'>,
    length: number,
    isNew: boolean,
  ): Chunk {
    this.#options.note?.(id, storedSize, isNew);
    this.#options.onBytes?.(length, false);
    return { codec: this.chunkCodec, id, plainDigest, storedSize };
  }

  /** The chunk of a block that is known to be nothing but zeros. */
  hole(length: number): Chunk {
    this.#options.onBytes?.(length, true);
    return HOLE;
  }

  /** Says what a file contains. */
  setContent(inode: MutableInode, chunks: readonly Chunk[]): void {
    const { blockSize, algorithm } = this;
    inode.content = { size: inode.size, blockSize, algorithm, chunks };
  }
}
