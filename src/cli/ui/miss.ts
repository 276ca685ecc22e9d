/** How waits for data are shown: durations, ranges, shares, paths. Pure. */
import { formatSize, fromHex } from '../../base/bytes.ts';
import { escapeName } from '../../base/name-text.ts';
import { STAGES, type StageTimes } from '../../base/trail.ts';

/** `12 ms`, `0.4 ms`, `3.2 s`, `15 min`. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 600_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** `0.1 %` to `99.9 %`; all or nothing only when it is. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0 || part >= whole) return '100 %';
  if (part <= 0) return '0 %';
  return `${Math.min(99.9, Math.max(0.1, (part / whole) * 100)).toFixed(1)} %`;
}

/** `512 KiB+128 KiB`: where a read begins and how long it is; an open is the whole file. */
export function formatRange(miss: {
  readonly kind: 'read' | 'open';
  readonly offset: number;
  readonly size: number;
}): string {
  if (miss.kind === 'open') return `whole, ${formatSize(miss.size)}`;
  return `${formatSize(miss.offset)} + ${formatSize(miss.size)}`;
}

/** `network 1.2 s, decode 30 ms`: the stages that took time, the longest first. */
export function formatStages(times: Readonly<StageTimes>): string {
  return STAGES.filter((stage) => times[stage] >= 0.05)
    .sort((a, b) => times[b] - times[a])
    .map((stage) => `${stage} ${formatMs(times[stage])}`)
    .join(', ');
}

/** A path that came as text and, where that loses something, as hex. Safe on a terminal and in one line. */
export function formatPath(name: { readonly path: string; readonly pathHex?: string }): string {
  const { path, pathHex } = name;
  const bytes = pathHex === undefined ? undefined : fromHex(pathHex);
  return escapeName(bytes ?? Buffer.from(path));
}
