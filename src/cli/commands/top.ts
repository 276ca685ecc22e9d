/** `g8ufs top`: what all mounts do, redrawn on a terminal; one shot elsewhere. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { MountFigures } from '../../fs/explain.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly once?: boolean;
  readonly interval: string;
}

const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 3_600_000;

export function command(context: Context): Command {
  const top = new Command('top')
    .description('show what each mount does: reads, misses, speed, waits, what is local')
    .option('--once', 'print one table and end; so it does where stdout is no terminal')
    .option('--interval <time>', 'time over which rates are taken', '2s')
    .action((flags: Flags) => run(context, flags));
  return addHelpSections(top, {
    examples: [
      ['top', 'until Ctrl-C'],
      ['top --once --interval 10s', 'rates over the next ten seconds'],
      ['top --json', 'the same for a script, in bytes and milliseconds'],
    ],
    notes: [
      'READS/s are opens and reads that came to the driver; MISSES/s those that had to wait; WAIT is the mean of their waits. What the kernel reads by itself from local files is not seen.',
    ],
    failures: ['ERR_STORE_UNAVAILABLE'],
  });
}

/** One mount over one interval; rates are per second. */
export interface TopRow {
  readonly mountPoint: string;
  readonly reads: number;
  readonly misses: number;
  readonly readBytes: number;
  readonly fetchedBytes: number;
  /** Mean of the waits that ended; null when none did. */
  readonly waitMs: number | null;
  readonly waiting: number;
  readonly oldestWaitMs: number;
  readonly openFiles: number;
  readonly localBytes: number;
  readonly totalBytes: number;
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { parseDuration } = await import('../../config/schema.ts');
  const { G8Error } = await import('../../base/errors.ts');
  const { allFigures } = await import('../mount-access.ts');
  const intervalMs = parseDuration(flags.interval) ?? 0;
  if (intervalMs < INTERVAL_MS_MIN || intervalMs > INTERVAL_MS_MAX) {
    throw new G8Error('ERR_USAGE', `--interval must be from 100ms to 1h, not '${flags.interval}'`);
  }
  const live = flags.once !== true && !context.json && context.stdout.isTTY === true;
  const screen = live ? (await import('../ui/screen.ts')).openScreen(context.stdout) : undefined;
  try {
    let before = await allFigures(context);
    let at = performance.now();
    if (screen !== undefined) screen.draw(await view(context, rowsOf(before, before, 1), true));
    do {
      await delay(intervalMs, undefined, { signal: context.signal });
      const after = await allFigures(context);
      const now = performance.now();
      const rows = rowsOf(before, after, (now - at) / 1000);
      if (screen !== undefined) screen.draw(await view(context, rows, true));
      else await print(context, rows);
      before = after;
      at = now;
    } while (live);
  } catch (error) {
    // Ctrl-C is how a live view ends.
    if (!live || !context.signal.aborted) throw error;
  } finally {
    screen?.close();
  }
}

/** What changed between two looks; a mount that is new counts from its beginning. */
export function rowsOf(
  before: readonly MountFigures[],
  after: readonly MountFigures[],
  seconds: number,
): TopRow[] {
  return after.map((now) => {
    const was = before.find(
      ({ mountPoint, since }) => mountPoint === now.mountPoint && since === now.since,
    );
    const rate = (of: (figures: MountFigures) => number): number =>
      (of(now) - (was === undefined ? 0 : of(was))) / seconds;
    const counted = (name: string) => (figures: MountFigures) => figures.counters[name] ?? 0;
    const ended = now.totals.waits.count - (was?.totals.waits.count ?? 0);
    const waitedMs = now.totals.waits.ms - (was?.totals.waits.ms ?? 0);
    return {
      mountPoint: now.mountPoint,
      reads: rate(({ accesses }) => accesses.total),
      misses: rate(({ accesses }) => accesses.waited),
      readBytes: rate(counted('bytesRead')),
      fetchedBytes: rate(
        ({ totals }) =>
          totals.demand.bytes + totals.ahead.bytes + totals.prefetch.bytes + totals.foretold.bytes,
      ),
      waitMs: ended === 0 ? null : waitedMs / ended,
      waiting: now.counters['waiting'] ?? 0,
      oldestWaitMs: now.counters['oldestWaitMs'] ?? 0,
      openFiles: now.counters['openFiles'] ?? 0,
      localBytes: now.local.localBytes,
      totalBytes: now.local.totalBytes,
    };
  });
}

async function print(context: Context, rows: readonly TopRow[]): Promise<void> {
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, rows);
    return;
  }
  const { writeAll } = await import('../ui/output.ts');
  const text = await view(context, rows, context.stdout.isTTY === true);
  if (text !== '') await writeAll(context.stdout, text, context.signal);
}

async function view(context: Context, rows: readonly TopRow[], header: boolean): Promise<string> {
  const { formatTable } = await import('../ui/table.ts');
  const { formatMs, formatShare } = await import('../ui/miss.ts');
  const { formatSize } = await import('../../base/bytes.ts');
  const right = 'right' as const;
  const columns = [
    { title: 'MOUNT POINT' },
    ...[
      'READS/s',
      'MISSES/s',
      'READ/s',
      'FETCH/s',
      'WAIT',
      'WAITING',
      'OLDEST',
      'OPEN',
      'LOCAL',
    ].map((title) => ({ title, align: right })),
  ];
  const cells = rows.map((row) => [
    row.mountPoint,
    formatRate(row.reads),
    formatRate(row.misses),
    formatSize(Math.round(row.readBytes)),
    formatSize(Math.round(row.fetchedBytes)),
    row.waitMs === null ? '-' : formatMs(row.waitMs),
    String(row.waiting),
    row.waiting === 0 ? '-' : formatMs(row.oldestWaitMs),
    String(row.openFiles),
    formatShare(row.localBytes, row.totalBytes),
  ]);
  if (rows.length === 0 && header) return 'Nothing is mounted\n';
  return await formatTable(columns, cells, { header, color: context.color });
}

function formatRate(rate: number): string {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}
