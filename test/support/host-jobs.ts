/** Jobs of this machine, without a Redis: what they publish is recorded. */
import { tmpdir } from 'node:os';
import { BASH } from '../../src/core/command/bash.ts';
import { coreCommands } from '../../src/core/command/core.ts';
import { JOB } from '../../src/core/command/job.ts';
import { CommandRegistry } from '../../src/core/command/registry.ts';
import { Guest } from '../../src/core/guest/guest.ts';
import { HostPlace } from '../../src/core/job/host-place.ts';
import { Jobs } from '../../src/core/job/jobs.ts';
import { JobSlots } from '../../src/core/job/slots.ts';
import { NO_USAGE } from '../../src/core/job/usage.ts';
import { parseCommand } from '../../src/core/transport/command.ts';
import type { Result } from '../../src/core/transport/result.ts';
import { findGuestProgram } from '../../src/native/programs.ts';
import { RecordingSink } from './recording-sink.ts';

export interface HostJobs {
  readonly jobs: Jobs;
  readonly guest: Guest;
  readonly sink: RecordingSink;
  readonly slots: JobSlots;
  readonly registry: CommandRegistry;
  submit(document: Record<string, unknown>): void;
  /** Submits a command and waits for its result. */
  run(document: Record<string, unknown>): Promise<Result>;
  stop(): Promise<void>;
}

/** @param workingDir where relative paths begin */
export function startHostJobs(workingDir = tmpdir()): HostJobs {
  const place = new HostPlace({ guestProgram: findGuestProgram(), workingDir, env: process.env });
  const guest = new Guest(place);
  const sink = new RecordingSink();
  const slots = new JobSlots(100);
  const registry = new CommandRegistry()
    .add(coreCommands({ version: '1.2.3', ownUsage: async () => NO_USAGE }))
    .add(BASH)
    .add(JOB);
  const jobs = new Jobs({ place, guest, registry, sink, slots });
  let count = 0;
  const submit = (document: Record<string, unknown>): string => {
    const command = parseCommand({ id: `job-${++count}`, ...document });
    jobs.submit(command);
    return command.id;
  };
  return {
    jobs,
    guest,
    sink,
    slots,
    registry,
    submit: (document) => void submit(document),
    run: async (document) => await sink.result(submit(document)),
    stop: async () => {
      await jobs.stop(0);
      await guest.stop();
    },
  };
}
