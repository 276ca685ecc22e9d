/** Whether the beginning of an upload can be that of a package. */
import { gunzip, constants as zlibConstants } from 'node:zlib';
import { G8Error } from '../base/errors.ts';

/** Enough to unpack the first tar header, however badly it packs. */
export const HEAD_SIZE = 64 * 1024;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const TAR_BLOCK_SIZE = 512;
const TAR_MAGIC_OFFSET = 257;

/** Looks at a package's first bytes (docs/format.md, section 2). @throws ERR_FLIST_FORMAT */
export async function assertPackage(bytes: Uint8Array): Promise<void> {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (head.subarray(0, 4).equals(ZSTD_MAGIC)) return;
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const plain = isGzip ? await unpackHead(head) : head;
  const magic = plain.toString('latin1', TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5);
  if (plain.length < TAR_BLOCK_SIZE || magic !== 'ustar') {
    throw new G8Error('ERR_FLIST_FORMAT', 'The body is no tar, plain or packed by gzip or zstd');
  }
}

async function unpackHead(head: Buffer): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    // 64 KiB of gzip unpack to 64 MiB at most, which bounds this without a limit of its own.
    gunzip(head, { finishFlush: zlibConstants.Z_SYNC_FLUSH }, (error, plain) => {
      if (error === null) resolve(plain);
      else reject(new G8Error('ERR_FLIST_FORMAT', 'The body is broken gzip', { cause: error }));
    });
  });
}
