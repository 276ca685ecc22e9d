/** /proc/self/mountinfo as values (proc(5)). Reads only: it never touches the mounts themselves. */
import { readFileSync } from 'node:fs';

export interface MountEntry {
  readonly id: number;
  /** Number of the mount that it lies on. */
  readonly parent: number;
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  readonly superOptions: string;
}

/** Parses mountinfo text; lines that do not follow the format are left out. */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ', 2);
    if (left === undefined || right === undefined) continue;
    const [id, parent, device, , mountPoint] = left.split(' ');
    const [type, source, superOptions] = right.split(' ');
    if (mountPoint === undefined || type === undefined) continue;
    entries.push({
      id: Number(id),
      parent: Number(parent),
      device: device ?? '',
      mountPoint: unescapeOctal(mountPoint),
      type,
      source: unescapeOctal(source ?? ''),
      superOptions: unescapeOctal(superOptions ?? ''),
    });
  }
  return entries;
}

/** All mounts of this process's namespace, in mount order. */
export function readMountinfo(): MountEntry[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** The mount on top at exactly this path, `undefined` when it is no mount point. */
export function findMount(
  mountPoint: string,
  entries: readonly MountEntry[] = readMountinfo(),
): MountEntry | undefined {
  return entries.findLast((entry) => entry.mountPoint === mountPoint);
}

// The kernel writes space, tab, newline and backslash as three octal digits.
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return bytes;
}
