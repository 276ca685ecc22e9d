/** A core daemon in a process of its own, to be killed by the test that has started it. */
import { join } from 'node:path';
import { daemonCommand } from '../../src/cli/early-daemon.ts';
import { PLAIN_NETWORK } from '../../src/core/container/container-network.ts';
import { Runtime } from '../../src/core/container/runtime.ts';
import { CoreDaemon } from '../../src/core/daemon.ts';
import { createLogger } from '../../src/fs/log.ts';
import { findGuestProgram } from '../../src/native/programs.ts';

const [redisUrl, stateDir, cacheDir, store, cgroupParent] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const log = createLogger('error');
await CoreDaemon.start(
  {
    redisUrl,
    stateDir,
    guestProgram: findGuestProgram(),
    version: '1.2.3',
    log,
    env: process.env,
    settings: { maxJobs: 100, loggerSize: 1000, extensions: new Map() },
    containers: {
      runtime: new Runtime('runc', join(stateDir, 'runtime')),
      mounts: {
        daemon: daemonCommand(cacheDir),
        stores: [store],
        deadlineMs: 10_000,
        tier: 'auto',
      },
      network: PLAIN_NETWORK,
      cgroupParent,
      initProgram: '/usr/bin/catatonit',
      hubUrl: '',
      countMax: 10,
      storage: '',
      bridge: 'core0',
    },
  },
  new AbortController().signal,
);
console.log('ready');
