/**
 * Who owns a file and who may use it, as far as historical ACI records tell. Pure.
 */
import { S_IFMT } from '../tree.ts';
import type { AciRecord } from './records.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** `st_mode` without its type. */
  readonly permissions: number;
  /** Whether its user or group has a name that nobody could find a number for. */
  readonly isUnresolved: boolean;
  /** Type bits of the record. Unreliable: files of several types may share one. 0 when unknown. */
  readonly type: number;
}

/** Finds the number of a user or group by its name; `undefined` when it is unknown. */
export type IdLookup = (name: string) => number | undefined;

/** What historical mounts show for ids that cannot be found. */
const ID_UNKNOWN = 1000;
const ID_COUNT = 2 ** 32;
const ID_SIGNED_MIN = -(2 ** 31);
const PERMISSIONS = 0o7777;

/** Owner of an inode without an ACI record. */
export const OWNER_UNKNOWN: Owner = {
  uid: ID_UNKNOWN,
  gid: ID_UNKNOWN,
  permissions: 0o400,
  isUnresolved: false,
  type: 0,
};

/** Numeric ids win over names, names of digits are numbers, and what remains is looked up. */
export function ownerFromAci(aci: AciRecord, userId?: IdLookup, groupId?: IdLookup): Owner {
  const uid = idOf(aci.uid, aci.uname, userId);
  const gid = idOf(aci.gid, aci.gname, groupId);
  const hasLost = (id: number | undefined, name: string) => id === undefined && name !== '';
  return {
    uid: uid ?? ID_UNKNOWN,
    gid: gid ?? ID_UNKNOWN,
    isUnresolved: hasLost(uid, aci.uname) || hasLost(gid, aci.gname),
    permissions: aci.mode & PERMISSIONS,
    type: aci.mode & S_IFMT,
  };
}

function idOf(id: bigint, name: string, lookup: IdLookup | undefined): number | undefined {
  if (id !== -1n) return Number(BigInt.asUintN(32, id));
  // Some tools printed ids above 2^31 as negative numbers.
  if (/^-?\d{1,10}$/.test(name)) {
    const number = Number(name);
    if (number >= ID_SIGNED_MIN && number < ID_COUNT) return number >>> 0;
  }
  // Every system has root, and historical flists name it without its number.
  return lookup?.(name) ?? (name === 'root' ? 0 : undefined);
}
