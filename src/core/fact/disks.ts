/** Mounted devices, as a mount table tells them. Pure. */

export interface DiskFacts {
  readonly device: string;
  readonly mountpoint: string;
  readonly fstype: string;
  readonly opts: string;
}

/**
 * @param mounts /proc/self/mounts
 * @param filesystems /proc/filesystems, which says what needs a device
 */
export function parseDisks(mounts: string, filesystems: string): DiskFacts[] {
  const types = new Set(
    filesystems
      .split('\n')
      .filter((line) => !line.startsWith('nodev'))
      .map((line) => line.trim()),
  );
  return mounts
    .split('\n')
    .map((line) => line.split(' ').map(unescapeOctal))
    .filter(([, , type]) => type !== undefined && types.has(type))
    .map(([device = '', mountpoint = '', fstype = '', opts = '']) => ({
      device,
      mountpoint,
      fstype,
      opts,
    }));
}

// The kernel writes space, tab, newline and backslash so (getmntent(3)).
function unescapeOctal(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
