/** Memory in bytes, as /proc/meminfo tells it. Pure. */

/** Names in the answer, and in /proc/meminfo. */
const FIELDS = {
  free: 'MemFree',
  active: 'Active',
  inactive: 'Inactive',
  buffers: 'Buffers',
  cached: 'Cached',
  writeback: 'Writeback',
  dirty: 'Dirty',
  writebacktmp: 'WritebackTmp',
  shared: 'Shmem',
  slab: 'Slab',
  pagetables: 'PageTables',
  swapcached: 'SwapCached',
} as const;

export type MemoryFacts = Record<
  keyof typeof FIELDS | 'total' | 'available' | 'used' | 'usedPercent' | 'wired',
  number
>;

export function parseMeminfo(source: string): MemoryFacts {
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(source)?.[1] ?? 0) * 1024;
  const total = bytes('MemTotal');
  const available = bytes('MemAvailable');
  const used = total - available;
  const others = Object.entries(FIELDS).map(([name, field]) => [name, bytes(field)]);
  return {
    total,
    available,
    used,
    usedPercent: total === 0 ? 0 : (used / total) * 100,
    // Only other systems have it.
    wired: 0,
    ...(Object.fromEntries(others) as Record<keyof typeof FIELDS, number>),
  };
}
