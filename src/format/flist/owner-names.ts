/**
 * Names of users and groups that a flist's records give to numbers, so that writing it back loses none.
 * Pure.
 */
import { isG8Error } from '../../base/errors.ts';
import type { MetadataDatabase } from '../database.ts';
import { ownerFromAci } from './owner.ts';
import { decodeAci } from './records.ts';
import type { WriteRecordsOptions } from './write-records.ts';

/** Characters of an ACI record's key, by generation: MD5, and BLAKE2b of 8 bytes. */
const ACI_KEY_SIZES = { g1: 32, sqlite: 16 } as const;

/** Where several names have one number, the first in key order counts. */
export function ownerNames(
  database: MetadataDatabase,
  generation: keyof typeof ACI_KEY_SIZES,
): WriteRecordsOptions {
  const users = new Map<number, string>();
  const groups = new Map<number, string>();
  for (const [key, value] of database.entries()) {
    if (key.length !== ACI_KEY_SIZES[generation]) continue;
    try {
      const aci = decodeAci(value);
      const { uid, gid } = ownerFromAci(aci);
      if (!users.has(uid)) users.set(uid, aci.uname);
      if (!groups.has(gid)) groups.set(gid, aci.gname);
    } catch (error) {
      // A record that no file refers to does not keep anybody from reading the tree.
      if (!isG8Error(error, 'ERR_FLIST_FORMAT')) throw error;
    }
  }
  return { userName: (uid) => users.get(uid), groupName: (gid) => groups.get(gid) };
}
