/** Chunks made from bytes by way of a file, and bytes that compress. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Codec } from '../../src/base/codec.ts';
import type { DecodeRequest, EncodedChunk } from '../../src/native/addon.ts';
import { addon } from '../../src/native/load.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Opens a new file with these bytes until the test ends. */
export function fileWith(context: TestContext, bytes: Uint8Array): { fd: number; path: string } {
  const path = join(temporaryDirectory(context), 'file');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r+');
  context.after(() => closeSync(fd));
  return { fd, path };
}

/** Encodes bytes by way of a file. */
export async function encode(
  context: TestContext,
  codec: Codec,
  plain: Uint8Array,
): Promise<EncodedChunk> {
  const { fd } = fileWith(context, plain);
  return addon().encodeChunk({ fd, offset: 0, length: plain.length, codec });
}

export function requestOf(codec: Codec, chunk: EncodedChunk, plainSize: number): DecodeRequest {
  return { codec, plainSize, stored: chunk.stored, id: chunk.id, plainDigest: chunk.plainDigest };
}

/** Bytes that every codec makes smaller. */
export function compressible(size: number): Uint8Array {
  return new Uint8Array(size).map((_, index) => (index * index) % 11);
}
