/**
 * POSIX ACLs as PAX archives write them, in text, to the bytes of their extended attribute. Pure.
 *
 * @see acl(5), long and short text form; linux/posix_acl_xattr.h
 */
import { malformedTar } from './malformed.ts';

const VERSION = 2;
const HEADER_SIZE = 4;
const ENTRY_SIZE = 8;
const ID_NONE = 0xffffffff;
/** What fits in an attribute of 64 KiB. */
const ENTRY_COUNT_MAX = 8191;

/** Tags in the order in which the kernel wants the entries. */
const TAGS = {
  user: { own: 0x01, named: 0x02 },
  group: { own: 0x04, named: 0x08 },
  mask: { own: 0x10, named: undefined },
  other: { own: 0x20, named: undefined },
} as const;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

/**
 * @param value entries such as `user:1000:rw-`, between commas or newlines; star adds the number of a
 *   named user or group as a fourth field, which then counts
 * @throws ERR_FLIST_FORMAT; also for a name without a number: what it means here says nothing of what it
 *   meant where the archive was made
 */
export function aclFromText(value: Uint8Array, offset: number): Uint8Array {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
  const lines = text.split(/[,\n]/, ENTRY_COUNT_MAX + 1);
  const entries = lines
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => parseEntry(line, offset));
  if (entries.length > ENTRY_COUNT_MAX) throw malformedTar(offset, 'an ACL with too many entries');
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const bytes = new Uint8Array(HEADER_SIZE + ENTRY_SIZE * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  for (const [i, { tag, permissions, id }] of entries.entries()) {
    const at = HEADER_SIZE + ENTRY_SIZE * i;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    view.setUint32(at + 4, id, true);
  }
  return bytes;
}

/**
 * Permission bits of a file with this access ACL: setting one sets the mode of the file, and what groups
 * may is then its mask.
 *
 * @param acl bytes of the attribute; what is no ACL leaves the mode alone
 */
export function modeWithAcl(mode: number, acl: Uint8Array): number {
  const view = new DataView(acl.buffer, acl.byteOffset, acl.byteLength);
  const isAcl = acl.length >= HEADER_SIZE && (acl.length - HEADER_SIZE) % ENTRY_SIZE === 0;
  if (!isAcl || view.getUint32(0, true) !== VERSION) return mode;
  const bits = new Map<number, number>();
  for (let at = HEADER_SIZE; at < acl.length; at += ENTRY_SIZE) {
    bits.set(view.getUint16(at, true), view.getUint16(at + 2, true) & 7);
  }
  const user = bits.get(TAGS.user.own);
  const group = bits.get(TAGS.mask.own) ?? bits.get(TAGS.group.own);
  const other = bits.get(TAGS.other.own);
  if (user === undefined || group === undefined || other === undefined) return mode;
  return (mode & ~0o777) | (user << 6) | (group << 3) | other;
}

function parseEntry(line: string, offset: number): AclEntry {
  const match = /^(user|group|mask|other|[ugmo]):(?:([^:]*):)?([r-][w-][x-])(?::(\d{1,10}))?$/.exec(
    line,
  );
  if (match === null) throw malformedTar(offset, 'an ACL that is none');
  const [, kind = '', name = '', rwx = '', number] = match;
  const title = (Object.keys(TAGS) as (keyof typeof TAGS)[]).find((key) => key[0] === kind[0]);
  const tags = TAGS[title as keyof typeof TAGS];
  const permissions = [...rwx].reduce((bits, char) => bits * 2 + (char === '-' ? 0 : 1), 0);
  if (name === '') return { tag: tags.own, permissions, id: ID_NONE };
  const digits = number ?? name;
  if (tags.named === undefined) throw malformedTar(offset, 'an ACL that is none');
  if (!/^\d{1,10}$/.test(digits) || Number(digits) >= ID_NONE) {
    throw malformedTar(
      offset,
      'an ACL names a user or group without its number; make the archive with --numeric-owner',
    );
  }
  return { tag: tags.named, permissions, id: Number(digits) };
}
