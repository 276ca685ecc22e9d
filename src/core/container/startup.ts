/**
 * Starts the services of a container, each as soon as those it needs run. A service whose need has failed, is
 * unknown, or comes back to itself is not started; the others are.
 */
import { sleep } from '../../base/deadline.ts';
import type { Logger } from '../../fs/log.ts';
import type { Job, JobMessage } from '../job/job.ts';
import type { Jobs } from '../job/jobs.ts';
import type { Command } from '../transport/command.ts';
import { MATCH_LENGTH_MAX, type Service } from './startup-file.ts';

const END_SUCCESS = 2;

/** How the start of a service came out. */
export type StartOutcome = 'running' | 'failed' | 'skipped';

export interface StartupOptions {
  readonly jobs: Pick<Jobs, 'startService'>;
  readonly log: Logger;
}

/**
 * @returns when every service runs, or will not
 */
export async function startServices(
  services: readonly Service[],
  { jobs, log }: StartupOptions,
): Promise<ReadonlyMap<string, StartOutcome>> {
  const waiting = new Map(services.map((service) => [service.key, service]));
  const outcomes = new Map<string, StartOutcome>();
  const running = new Map<string, Promise<void>>();
  const begin = (service: Service): void => {
    waiting.delete(service.key);
    const started = startOne(service, jobs).then((outcome) => {
      outcomes.set(service.key, outcome);
      running.delete(service.key);
    });
    running.set(service.key, started);
  };
  for (;;) {
    for (const service of [...waiting.values()]) {
      if (service.after.every((key) => outcomes.get(key) === 'running')) begin(service);
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  // Nothing runs that they could still wait for.
  for (const key of waiting.keys()) outcomes.set(key, 'skipped');
  for (const [service, outcome] of outcomes) {
    if (outcome !== 'running') log.warn({ service, outcome }, 'service of a container');
  }
  return outcomes;
}

async function startOne(service: Service, jobs: StartupOptions['jobs']): Promise<StartOutcome> {
  const job = jobs.startService(commandOf(service), { isProtected: service.isProtected });
  if (job === undefined) return 'failed';
  const controller = new AbortController();
  try {
    return await Promise.race([
      matched(job, service.runningMatch),
      // What runs for ever counts by its messages or its time alone.
      ended(job),
      delayed(service, controller.signal),
    ]);
  } finally {
    controller.abort();
  }
}

/** Never settles without a match. */
async function matched(job: Job, pattern: RegExp | undefined): Promise<StartOutcome> {
  if (pattern === undefined) return await new Promise(() => {});
  return await new Promise((resolve) => {
    job.follow(({ text }) => {
      if (pattern.test(text.slice(0, MATCH_LENGTH_MAX))) resolve('running');
    });
  });
}

async function ended(job: Job): Promise<StartOutcome> {
  let last: JobMessage | undefined;
  job.follow((message) => {
    if (message.endFlags !== 0) last = message;
  });
  await job.ended;
  return last?.endFlags === END_SUCCESS ? 'running' : 'failed';
}

async function delayed(service: Service, signal: AbortSignal): Promise<StartOutcome> {
  const isCounted = service.runningMatch === undefined && service.runningDelayS > 0;
  if (!isCounted) return await new Promise(() => {});
  await sleep(service.runningDelayS * 1000, signal).catch(() => {});
  return 'running';
}

function commandOf(service: Service): Command {
  return {
    id: service.key,
    command: service.name,
    arguments: service.args,
    queue: '',
    maxTime: 0,
    maxRestart: service.maxRestart,
    recurringPeriod: service.recurringPeriod,
    stream: false,
    tags: service.tags,
    logLevels: null,
    statsInterval: 0,
  };
}
