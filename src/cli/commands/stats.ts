/** `g8ufs stats`: how a mount does, and what its slowest reads waited for. */
import { Command } from 'commander';
import { formatSize } from '../../base/bytes.ts';
import { plural } from '../../base/plural.ts';
import type { MountStats, NamedMiss } from '../../fs/explain.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const stats = new Command('stats')
    .description('show how a mount does: what is local, what was fetched, what reads waited for')
    .argument('<dir>', 'mount point, or a path on the mount')
    .action((dir: string) => run(context, dir));
  return addHelpSections(stats, {
    examples: [
      ['stats /mnt', 'figures, reads that wait now, the slowest reads with the reason'],
      ['stats /mnt --json', 'the same for a script; times in milliseconds, sizes in bytes'],
    ],
    notes: [
      'Reasons: queue (waits for its turn), network (for a store), decode (is verified, unpacked and written), disk (for files of the cache). Reads that the kernel serves by itself from local files are not counted.',
    ],
    failures: ['ERR_NO_INPUT', 'ERR_STORE_UNAVAILABLE', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, dir: string): Promise<void> {
  const { withMount } = await import('../mount-access.ts');
  const stats = await withMount(context, dir, (client, mountPoint) =>
    client.request<MountStats>('stats', { mountPoint }),
  );
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, stats);
    return;
  }
  const { formatTable } = await import('../ui/table.ts');
  const { writeAll } = await import('../ui/output.ts');
  const mode = { header: false, color: context.color };
  const columns = [{ title: '' }, { title: '' }];
  let text = await formatTable(columns, await summaryOf(stats), mode);
  if (stats.stores.length > 0) text += await storeTable(context, stats.stores);
  if (stats.waiting.length > 0) text += await missTable(context, 'Waiting now', stats.waiting);
  if (stats.slowest.length > 0) text += await missTable(context, 'Slowest', stats.slowest);
  await writeAll(context.stdout, text, context.signal);
}

async function summaryOf(stats: MountStats): Promise<string[][]> {
  const { formatMs, formatShare, formatStages } = await import('../ui/miss.ts');
  const { local, accesses, totals, counters, requests } = stats;
  const { waits, demand, ahead, prefetch, foretold, foretoldUsed } = totals;
  const remaining = local.totalBytes - local.localBytes;
  const share = formatShare(local.localBytes, local.totalBytes);
  const hits = formatShare(accesses.total - accesses.waited, accesses.total);
  const driver = stats.passthrough ? `${stats.driver}, passthrough` : stats.driver;
  const rows = [
    ['mount', `${stats.mountPoint} (${stats.upper === null ? 'ro' : 'rw'}, ${driver})`],
    ['flist', stats.source],
    ['since', stats.since],
    [
      'local',
      `${formatSize(local.localBytes)} of ${formatSize(local.totalBytes)} (${share}), ${local.localFiles} of ${local.totalFiles} files`,
    ],
    ['remaining', formatSize(remaining)],
    [
      'hit rate',
      accesses.total === 0
        ? 'nothing was opened yet'
        : `${hits}: ${accesses.waited} of ${accesses.total} opens and reads waited`,
    ],
    [
      'fetched',
      `${fetched(demand)} for readers; ${fetched(ahead)} ahead of them; ${fetched(prefetch)} by the prefetch`,
    ],
  ];
  if (foretold.chunks > 0) {
    const used = formatShare(foretoldUsed.bytes, foretold.bytes);
    rows.push([
      'foretold',
      `${formatSize(foretold.bytes)}, ${plural(foretold.chunks, 'chunk')}; ${used} in files that were opened since`,
    ]);
  }
  if (waits.count > 0) {
    const slow = `${waits.slow} longer than ${formatMs(stats.slowReadMs)}`;
    rows.push(['misses', `${waits.count}, ${waits.failed} failed, ${slow}`]);
    rows.push(['time', `${formatMs(waits.ms)} in all: ${formatStages(waits.stages)}`]);
  }
  const operations = Object.entries(requests).map(([name, count]) => `${name} ${count}`);
  rows.push(['requests', operations.join(', ') || 'none']);
  const trouble = troubleOf(counters);
  if (trouble !== '') rows.push(['trouble', trouble]);
  return rows;
}

function fetched({
  calls,
  chunks,
  bytes,
}: {
  calls: number;
  chunks: number;
  bytes: number;
}): string {
  if (calls === 0) return 'nothing';
  return `${formatSize(bytes)}, ${plural(chunks, 'chunk')} in ${plural(calls, 'call')}`;
}

/** What should be nothing. */
function troubleOf(counters: Readonly<Record<string, number>>): string {
  const words = [
    ['errors', 'errors'],
    ['deadlinesMissed', 'deadlines missed'],
    ['interrupts', 'interrupted'],
  ] as const;
  return words
    .filter(([key]) => (counters[key] ?? 0) > 0)
    .map(([key, word]) => `${counters[key]} ${word}`)
    .join(', ');
}

async function storeTable(context: Context, stores: MountStats['stores']): Promise<string> {
  const { formatMs } = await import('../ui/miss.ts');
  const { formatTable } = await import('../ui/table.ts');
  const { paint } = await import('../ui/color.ts');
  const right = { align: 'right' } as const;
  const columns = [
    { title: 'STORE' },
    { title: 'CIRCUIT' },
    { title: 'P95', ...right },
    { title: 'CALLS', ...right },
    { title: 'FAILED', ...right },
    { title: 'LAST ERROR' },
  ];
  const rows = stores.map(({ store, circuit, p95Ms, calls, failures, lastError }) => [
    store,
    circuit,
    p95Ms === null ? '-' : formatMs(p95Ms),
    String(calls),
    String(failures),
    lastError ?? '-',
  ]);
  const table = await formatTable(columns, rows, { header: true, color: context.color });
  return `\n${paint('bold', 'Stores', context.color)}\n${table}`;
}

async function missTable(
  context: Context,
  title: string,
  misses: readonly NamedMiss[],
): Promise<string> {
  const { formatMs, formatPath, formatRange, formatStages } = await import('../ui/miss.ts');
  const { formatTable } = await import('../ui/table.ts');
  const { paint } = await import('../ui/color.ts');
  const columns = [
    { title: 'TIME', align: 'right' as const },
    { title: 'REASON' },
    { title: 'PATH' },
    { title: 'RANGE' },
    { title: 'STAGES' },
    { title: 'STORE' },
    { title: 'AT' },
  ];
  const rows = misses.map((miss) => [
    formatMs(miss.ms),
    miss.error === undefined ? miss.reason : `${miss.reason}, ${miss.error}`,
    formatPath(miss),
    formatRange(miss),
    formatStages(miss.times),
    miss.store ?? '-',
    miss.at,
  ]);
  const table = await formatTable(columns, rows, { header: true, color: context.color });
  return `\n${paint('bold', title, context.color)}\n${table}`;
}
