/**
 * Device nodes, pipes and sockets of historical records, whose type cannot be trusted. Pure.
 */
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from '../tree.ts';
import { type InodeBody, SPECIAL } from './records.ts';

type SpecialBody = Extract<InodeBody, { type: 'special' }>;

/** A type of `st_mode`, and the device numbers that go with it. */
export interface SpecialFile {
  readonly type: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

const TYPES: readonly number[] = [S_IFSOCK, S_IFBLK, S_IFCHR, S_IFIFO];
/** Two numbers of 32 bits and their comma. */
const DATA_SIZE_MAX = 21;

export function isDevice(mode: number): boolean {
  return (mode & S_IFMT) === S_IFCHR || (mode & S_IFMT) === S_IFBLK;
}

export function isSpecial(mode: number): boolean {
  return TYPES.includes(mode & S_IFMT);
}

/**
 * What a special file really is. Some tools recorded every one as a socket; device numbers then give
 * devices away, and the type in the ACI record, where there is one, tells which.
 *
 * @param aciType type bits of the ACI record, 0 when unknown
 * @returns `undefined` when the record says that its writer did not know
 */
export function specialFromRecord(body: SpecialBody, aciType: number): SpecialFile | undefined {
  const type = TYPES[body.specialType];
  if (type === undefined) return undefined;
  const numbers = deviceNumbers(body.data);
  if (type !== S_IFSOCK) {
    return isDevice(type) && numbers !== undefined
      ? { type, ...numbers }
      : { type, rdevMajor: 0, rdevMinor: 0 };
  }
  if (numbers !== undefined) return { type: aciType === S_IFBLK ? S_IFBLK : S_IFCHR, ...numbers };
  return { type: aciType === S_IFIFO ? S_IFIFO : S_IFSOCK, rdevMajor: 0, rdevMinor: 0 };
}

/** The `Special` member of a record. */
export function specialToRecord(mode: number, major: number, minor: number): SpecialBody {
  const types: Record<number, number> = {
    [S_IFSOCK]: SPECIAL.socket,
    [S_IFBLK]: SPECIAL.block,
    [S_IFCHR]: SPECIAL.chardev,
    [S_IFIFO]: SPECIAL.fifopipe,
  };
  const data = isDevice(mode) ? new TextEncoder().encode(`${major},${minor}`) : new Uint8Array(0);
  return { type: 'special', specialType: types[mode & S_IFMT] ?? SPECIAL.unknown, data };
}

function deviceNumbers(data: Uint8Array): Omit<SpecialFile, 'type'> | undefined {
  if (data.length > DATA_SIZE_MAX) return undefined;
  const match = /^(\d{1,10}),(\d{1,10})$/.exec(Buffer.from(data).toString('latin1'));
  if (match === null) return undefined;
  const [rdevMajor, rdevMinor] = [Number(match[1]), Number(match[2])];
  return Math.max(rdevMajor, rdevMinor) < 2 ** 32 ? { rdevMajor, rdevMinor } : undefined;
}
