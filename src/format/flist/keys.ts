/**
 * Keys of the metadata database. Writers compute them; readers only ever compute the root's and take
 * every other key as an opaque text from the record that names it. Pure.
 */
import { createHash } from 'node:crypto';

import { blake2b } from '../../base/blake2b.ts';
import { toHex } from '../../base/bytes.ts';
import type { AciRecord } from './records.ts';

const ROOT_PATH = new Uint8Array(0);

/** Key of a directory: BLAKE2b-256 of its path without leading slash, in hex. */
export function directoryKey(path: Uint8Array): string {
  return toHex(blake2b(path, 32));
}

/** Key of a directory in sqlite flists: BLAKE2b-128 of its path without leading slash, in hex. */
export function sqliteDirectoryKey(path: Uint8Array): string {
  return toHex(blake2b(path, 16));
}

/** Where the root can be: under the key of RocksDB flists (and ours), or that of sqlite flists. */
export const ROOT_KEYS: readonly string[] = [
  directoryKey(ROOT_PATH),
  sqliteDirectoryKey(ROOT_PATH),
];

/**
 * Key of an ACI record: MD5 in hex of a text in which the mode has lost its first four characters
 * (`0o100644` becomes `0644`), as the tools of 2017 computed it.
 *
 * @param mode full `st_mode`
 */
export function aciKey(uname: string, gname: string, mode: number): string {
  const digits = `0o${mode.toString(8)}`.slice(4);
  return createHash('md5').update(`user:${uname}\ngroup:${gname}\nmode:${digits}\n`).digest('hex');
}

/** Key of an ACI record in sqlite flists since 2022: BLAKE2b of 8 bytes over all that the record says. */
export function sqliteAciKey({ uname, gname, mode, uid, gid }: AciRecord): string {
  const text = `user:${uname}\ngroup:${gname}\nmode:0o${mode.toString(8)}\nuid:${uid}\ngid:${gid}`;
  return toHex(blake2b(Buffer.from(text), 8));
}

/** The bytes under which a database has a key. */
export function keyBytes(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) bytes[i] = key.charCodeAt(i);
  return bytes;
}
