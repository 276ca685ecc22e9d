/**
 * POSIX ACLs from the bytes of their extended attribute to the text that PAX archives carry; the twin of
 * `acl.ts`. Ids are numbers: what a name means elsewhere nobody knows. Pure.
 *
 * @see acl(5), long text form; linux/posix_acl_xattr.h
 */

const VERSION = 2;
const HEADER_SIZE = 4;
const ENTRY_SIZE = 8;
const TITLES: Readonly<Record<number, { readonly title: string; readonly hasId: boolean }>> = {
  1: { title: 'user', hasId: false },
  2: { title: 'user', hasId: true },
  4: { title: 'group', hasId: false },
  8: { title: 'group', hasId: true },
  16: { title: 'mask', hasId: false },
  32: { title: 'other', hasId: false },
};

/** @returns `undefined` when the bytes are no ACL; an image may hold any */
export function aclToText(value: Uint8Array): string | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const isSound = value.length >= HEADER_SIZE && (value.length - HEADER_SIZE) % ENTRY_SIZE === 0;
  if (!isSound || view.getUint32(0, true) !== VERSION) return undefined;
  const lines: string[] = [];
  for (let at = HEADER_SIZE; at < value.length; at += ENTRY_SIZE) {
    const tag = TITLES[view.getUint16(at, true)];
    const permissions = view.getUint16(at + 2, true);
    if (tag === undefined || permissions > 7) return undefined;
    const id = tag.hasId ? String(view.getUint32(at + 4, true)) : '';
    const rwx = ['r', 'w', 'x'].map((char, bit) => ((permissions >> (2 - bit)) & 1 ? char : '-'));
    lines.push(`${tag.title}:${id}:${rwx.join('')}`);
  }
  return lines.join(',');
}
