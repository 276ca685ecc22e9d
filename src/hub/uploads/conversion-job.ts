/** Conversions in the background, and how they tell how far they are. */
import { type CreateProgress, createProgress } from '../../image/create-progress.ts';
import type { Credentials } from '../../store/credential-helper.ts';
import type { Job, JobReport } from '../jobs.ts';
import type { HubContext } from '../route.ts';
import { withWorkFolder } from '../work-folder.ts';
import { publishRegistryImage, type RegistryImage } from './registry-image.ts';
import type { PublishTarget } from './target.ts';

const PROGRESS_MS = 500;

/** Starts the conversion of an image. @throws Problem 503 when too many run */
export function startConversion(
  context: HubContext,
  target: PublishTarget,
  image: RegistryImage,
  options: { readonly route: string; readonly credentials?: Credentials | undefined },
): Job {
  return context.jobs.start('image', target.actor.identity.user, async (report) =>
    withWorkFolder(context.dataDir, async (folder) => {
      const statistics = await followed('pulling image', report, (progress) =>
        publishRegistryImage(context, target, image, {
          ...options,
          folder,
          progress,
          signal: report.signal,
        }),
      );
      return { filename: target.file, flist: statistics };
    }),
  );
}

/** Percent of the whole at which a phase begins and ends. */
const SHARES: Readonly<Record<CreateProgress['phase'], readonly [number, number]>> = {
  fetching: [10, 50],
  walking: [50, 60],
  storing: [60, 95],
  writing: [95, 100],
};

/** Tells a job's listener how far the work is, twice a second. */
export async function followed<T>(
  what: string,
  report: JobReport,
  work: (progress: CreateProgress) => Promise<T>,
): Promise<T> {
  const progress = createProgress();
  report.update(what, 0);
  let told = '';
  const timer = setInterval(() => {
    const { phase, position, positionTotal, entries, bytes } = progress;
    const [from, to] = SHARES[phase];
    const share = positionTotal > 0 ? Math.min(1, position / positionTotal) : 0;
    const text =
      phase === 'fetching'
        ? `${what}: ${position} of ${positionTotal} bytes`
        : `processing ${entries} items, ${bytes} bytes`;
    if (text === told) return;
    told = text;
    report.update(text, Math.round(from + (to - from) * share));
  }, PROGRESS_MS);
  try {
    return await work(progress);
  } finally {
    clearInterval(timer);
  }
}
