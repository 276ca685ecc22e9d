/** What differs between two entries, in words. Pure, but for reading their mount indexes. */

import { escapeName } from '../../base/name-text.ts';
import { formatTime } from '../../format/index/inode-text.ts';
import type { DiffField } from '../../image/compare.ts';
import type { Change } from '../../image/diff.ts';
import type { EntryReaders } from './entry.ts';

type Changed = Extract<Change, { kind: 'changed' }>;

/** One phrase for each field: `mode 0644 -> 0755`. */
export function describeDifferences(
  one: EntryReaders,
  two: EntryReaders,
  { before, after, differences }: Changed,
): string[] {
  const pair = (name: string, a: string | number, b: string | number): string =>
    `${name} ${a} -> ${b}`;
  const phrase = (field: DiffField): string => {
    switch (field) {
      case 'type':
        return pair(field, before.type, after.type);
      case 'mode':
        return pair(field, octal(before.mode), octal(after.mode));
      case 'owner':
        return pair(field, `${before.uid}:${before.gid}`, `${after.uid}:${after.gid}`);
      case 'mtime':
        return pair(field, formatTime(before), formatTime(after));
      case 'size':
        return pair(field, before.size, after.size);
      case 'content':
        return field;
      case 'target': {
        const targets = [one.index.readlink(before.nid), two.index.readlink(after.nid)];
        return pair(field, ...(targets.map(escapeName) as [string, string]));
      }
      case 'device':
        return pair(field, device(before), device(after));
      case 'links':
        return pair(field, before.nlink, after.nlink);
      case 'xattrs':
        return `xattrs ${differences.xattrs.map(escapeName).join(' ')}`;
    }
  };
  return differences.fields.map(phrase);
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function device({ rdevMajor, rdevMinor }: { rdevMajor: number; rdevMinor: number }): string {
  return `${rdevMajor}:${rdevMinor}`;
}
