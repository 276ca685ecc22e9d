/**
 * Writes tar archives of plain files that are the same on every machine: owner 0:0, mode 0644, time 0.
 * Streams: holds no more than one chunk of a member.
 *
 * @see POSIX pax(1), ustar interchange format
 */
import { G8Error } from '../../base/errors.ts';
import { TAR_BLOCK_SIZE } from '../tar/header.ts';
import {
  encodeTarHeader,
  HEADER_NAME_SIZE_MAX,
  HEADER_SIZE_MAX,
  tarEnd,
  tarPadding,
} from '../tar/write-header.ts';

/** A member to be written. `data` is asked for once and gives exactly `size` bytes. */
export interface PackageMember {
  readonly name: string;
  readonly size: number;
  readonly data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * The archive with all members in the order given, and its end marker.
 *
 * @throws RangeError when a member's name or size does not fit a header, ERR_CREATE when a member
 *   gives another number of bytes than it announced
 */
export async function* writeTar(members: readonly PackageMember[]): AsyncGenerator<Uint8Array> {
  for (const { name, size, data } of members) {
    yield memberHeader(name, size);
    let written = 0;
    for await (const chunk of data) {
      written += chunk.length;
      if (written > size) break;
      if (chunk.length > 0) yield chunk;
    }
    if (written !== size) {
      throw new G8Error('ERR_CREATE', `Package member ${name} changed its size while it was read`);
    }
    const padding = tarPadding(size);
    if (padding.length > 0) yield padding;
  }
  yield tarEnd();
}

/** Bytes that {@link writeTar} gives for these members. */
export function tarSizeOf(members: readonly PackageMember[]): number {
  const sizes = members.map(({ size }) => TAR_BLOCK_SIZE + size + tarPadding(size).length);
  return sizes.reduce((sum, size) => sum + size, tarEnd().length);
}

function memberHeader(name: string, size: number): Uint8Array {
  const nameBytes = Buffer.from(name);
  if (nameBytes.length === 0 || nameBytes.length > HEADER_NAME_SIZE_MAX || /[/\0]/.test(name)) {
    throw new RangeError(`Package member cannot be named ${JSON.stringify(name)}`);
  }
  if (!Number.isSafeInteger(size) || size < 0 || size > HEADER_SIZE_MAX) {
    throw new RangeError(`Package member ${name} cannot have ${size} bytes`);
  }
  return encodeTarHeader({ typeflag: '0', name: nameBytes, mode: 0o644, size });
}
