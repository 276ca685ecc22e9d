/**
 * An hour (`--minutes`; with `--quick` three) of eight images on one small cache, with a daemon that is killed every 20
 * seconds and a hub that is restarted every minute or two (`support/chaos`). Anything wrong, failed or that grows from
 * daemon to daemon ends it with an error. Needs root, fio, runc, busybox and python3.
 *
 * The graph goes to `build/soak-chaos.svg`; docs/soak-chaos.svg is one of these.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SuiteOptions, withFolder } from '../harness.ts';
import { type ChaosResult, chaos } from '../support/chaos/chaos.ts';
import { changes, growth } from '../support/chaos/growth.ts';
import type { Sample } from '../support/chaos/sample.ts';
import { graph } from '../support/graph.ts';
import { pausesOf } from '../support/takeover/pauses.ts';
import { loadFigures, mistakes } from '../support/takeover/takeover.ts';

const MINUTES = 60;
const MINUTES_QUICK = 3;

export async function runSuite(options: SuiteOptions): Promise<Record<string, unknown>> {
  const minutes = options.minutes ?? (options.quick ? MINUTES_QUICK : MINUTES);
  const result = await withFolder(async (dir) => {
    // Files that daemons leave there shall be those of this run.
    process.env['G8UFS_RUN_DIR'] = join(dir, 'run');
    return await chaos(dir, minutes * 60);
  });
  const path = join(process.cwd(), 'build/soak-chaos.svg');
  await writeFile(path, graphOf(result));
  const { samples, watched, hubRestarts } = result;
  const held = changes(samples);
  const { seconds, ...rows } = held;
  const errors = [...result.errors, ...mistakes(watched), ...growth(held)];
  if (samples.length < watched.moments.length) errors.push('Some daemons were not looked at');
  const figures = {
    minutes: Math.round(result.minutes * 10) / 10,
    kills: watched.moments.length,
    'restarts of the hub': hubRestarts,
    'pause of a kill, ms': pausesOf(watched).once,
    ...loadFigures(watched),
    ...rows,
    graph: path,
  };
  if (errors.length > 0) {
    throw new Error(`${errors.join('\n')}\n${JSON.stringify(figures, undefined, 2)}`);
  }
  return figures;
}

function graphOf({ samples, minutes, watched, hubRestarts }: ChaosResult): string {
  const line = (name: string, field: keyof Sample) => ({
    name,
    values: samples.map((sample) => sample[field]),
  });
  const title = `8 images, ${watched.moments.length} kills of the daemon, ${hubRestarts} restarts of the hub`;
  return graph(title, minutes, [
    {
      label: 'each daemon at 10 s, MiB',
      lines: [
        line('resident', 'daemonRss'),
        line('anonymous', 'daemonAnonymous'),
        line('JavaScript heap', 'daemonHeap'),
      ],
    },
    {
      label: 'each daemon at 10 s',
      lines: [line('descriptors', 'daemonFds'), line('threads', 'daemonThreads')],
    },
    { label: 'keeper, MiB', lines: [line('resident', 'keeperRss')] },
    {
      label: 'what stays',
      lines: [
        line('keeper’s descriptors', 'keeperFds'),
        line('FUSE connections', 'connections'),
        line('mounts', 'mounts'),
        line('run files', 'runFiles'),
      ],
    },
    {
      label: 'cache, MiB',
      lines: [line('contents', 'cache'), line('state', 'state'), line('log', 'log')],
    },
  ]);
}
