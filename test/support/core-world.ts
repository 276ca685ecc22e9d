/** A core daemon in this process with a Redis and a state folder of its own, for a test file. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreDaemon, type CoreDaemonOptions } from '../../src/core/daemon.ts';
import { createLogger } from '../../src/fs/log.ts';
import { findGuestProgram } from '../../src/native/programs.ts';
import { RawCoreClient } from './raw-core-client.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

export interface CoreWorld {
  readonly redis: RedisServer;
  readonly client: RawCoreClient;
  readonly daemon: CoreDaemon;
  /** Where relative paths of the host begin. */
  readonly workingDir: string;
  readonly stateDir: string;
  stop(): Promise<void>;
}

type Changes = Partial<Omit<CoreDaemonOptions, 'settings'>> & {
  readonly settings?: Partial<CoreDaemonOptions['settings']>;
};

export async function startCoreWorld(changes: Changes = {}): Promise<CoreWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-core-'));
  const workingDir = join(folder, 'host');
  const stateDir = join(folder, 'state');
  mkdirSync(workingDir);
  const redis = await startRedis();
  const redisUrl = `redis://${redis.address}`;
  const client = new RawCoreClient(redisUrl);
  const options: CoreDaemonOptions = {
    redisUrl,
    stateDir,
    workingDir,
    guestProgram: findGuestProgram(),
    version: '1.2.3',
    log: createLogger('error'),
    env: process.env,
    stopGraceMs: 500,
    ...changes,
    settings: {
      ...{ maxJobs: 100, loggerSize: 1000, extensions: new Map() },
      firewallChain: '',
      ...changes.settings,
    },
  };
  const end = async (): Promise<void> => {
    client.close();
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const daemon = await CoreDaemon.start(options, new AbortController().signal).catch(
    async (error: unknown) => {
      await end();
      throw error;
    },
  );
  return {
    redis,
    client,
    daemon,
    workingDir,
    stateDir,
    stop: async () => {
      await daemon.stop();
      await end();
    },
  };
}
