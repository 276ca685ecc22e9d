/** Waits for the prefetch of a mount, with progress: what `mount --until-local` does. */
import { formatSize } from '../base/bytes.ts';
import { sleep } from '../base/deadline.ts';
import { G8Error } from '../base/errors.ts';
import type { PrefetchStatus } from '../fs/prefetch.ts';
import type { Context } from './context.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

const LOOK_INTERVAL_MS = 100;

/**
 * @param look asks how far it is
 * @returns how it ended
 * @throws the error that the prefetch failed with: the mount stays and fetches on demand; ERR_ABORTED
 */
export async function waitUntilLocal(
  context: Context,
  look: () => Promise<PrefetchStatus | null>,
): Promise<PrefetchStatus | null> {
  const started = performance.now();
  const counter: ProgressCounter = { label: 'Fetching', done: 0, total: 0, unit: 'bytes' };
  const view = await showProgress(context, counter);
  let status: PrefetchStatus | null;
  try {
    for (;;) {
      status = await look();
      counter.done = status?.localBytes ?? 0;
      counter.total = status?.totalBytes ?? 0;
      counter.label = status?.state === 'paused' ? 'Paused for reads' : 'Fetching';
      if (status?.state !== 'running' && status?.state !== 'paused') break;
      await sleep(LOOK_INTERVAL_MS, context.signal);
    }
  } finally {
    view.stop();
  }
  if (status?.error) {
    const { code, message } = status.error;
    throw new G8Error(code, `The mount is not local: ${message}`);
  }
  if (!context.json && !context.quiet) {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    context.stdout.write(`${describe(status)} in ${seconds} s\n`);
  }
  return status;
}

function describe(status: PrefetchStatus | null): string {
  if (status === null || status.state === 'none')
    return 'No start profile fits: nothing to wait for';
  const what = status.mode === 'all' ? 'All' : 'What the start profile names';
  return `${what} is local, ${formatSize(status.totalBytes)},`;
}
