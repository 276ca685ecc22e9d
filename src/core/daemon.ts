/**
 * The core daemon: takes commands out of Redis, runs them as jobs on this host, and publishes what becomes
 * of them. It owns its state folder and every process that it has started on the host.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { G8Error, isG8Error } from '../base/errors.ts';
import { type FileLock, lockFile } from '../base/file-lock.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { LeveledLogger } from '../fs/log.ts';
import { NamedCgroups } from './cgroup/named-cgroups.ts';
import { bridgeCommands } from './command/bridge.ts';
import { cgroupCommands } from './command/cgroup.ts';
import { configCommands } from './command/config.ts';
import { extensionCommands } from './command/extension.ts';
import { DMI } from './command/info.ts';
import { loggerCommands } from './command/logger.ts';
import { nftCommands } from './command/nft.ts';
import { placeCommands } from './command/place-commands.ts';
import type { CommandRegistry } from './command/registry.ts';
import { socatCommands } from './command/socat.ts';
import { WEB } from './command/web.ts';
import { ContainerHost, type ContainerSettings } from './container/container-host.ts';
import type { Service } from './container/startup-file.ts';
import { Guest } from './guest/guest.ts';
import { HostPlace } from './job/host-place.ts';
import { Jobs } from './job/jobs.ts';
import { JobJournal, type LiveJob } from './job/journal.ts';
import { JobSlots } from './job/slots.ts';
import { NO_USAGE, ownUsage } from './job/usage.ts';
import { NamedBridges } from './network/bridges.ts';
import { Network } from './network/network.ts';
import { OpenPorts } from './network/open-ports.ts';
import { NETWORK_DEFAULTS } from './network/settings.ts';
import type { CoreSettings } from './settings.ts';
import { CommandQueue } from './transport/command-queue.ts';
import { Outbox } from './transport/outbox.ts';
import { Publisher } from './transport/publisher.ts';
import { Records } from './transport/records.ts';
import { connectRedis, createRedis } from './transport/redis.ts';

export interface CoreDaemonOptions {
  /** `redis://`, `rediss://` or `unix:///path/of/socket` */
  readonly redisUrl: string;
  /** Folder of everything that outlives the daemon; made when absent. */
  readonly stateDir: string;
  readonly settings: CoreSettings;
  /** Absent: there are no containers. */
  readonly containers?: ContainerSettings;
  readonly guestProgram: string;
  /** Version of the program. */
  readonly version: string;
  readonly log: LeveledLogger;
  /** Environment of processes on the host. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths of the host begin; default `/`. */
  readonly workingDir?: string;
  /** A file that names services of the host, started when commands are taken; as that of an image. */
  readonly startup?: { readonly path: string; readonly text: string };
  /** What jobs get to end by themselves when the daemon does; default 5 000. */
  readonly stopGraceMs?: number;
}

const STOP_GRACE_MS = 5_000;
/** For what is still to be written when the daemon ends. */
const FLUSH_MS = 2_000;

export class CoreDaemon {
  readonly #options: CoreDaemonOptions;
  readonly #lock: FileLock;
  readonly #redis: Redis;
  readonly #blocking: Redis;
  readonly #outbox: Outbox;
  readonly #jobs: Jobs;
  readonly #guest: Guest;
  readonly #journal: JobJournal;
  readonly #publisher: Publisher;
  readonly #slots: JobSlots;
  readonly #registry: CommandRegistry;
  #containers: ContainerHost | undefined;
  readonly #queue: CommandQueue;
  readonly #network: Network;
  #stopping: Promise<void> | undefined;

  private constructor(options: CoreDaemonOptions, lock: FileLock) {
    const { redisUrl, settings, log, guestProgram, env, workingDir = '/' } = options;
    this.#options = options;
    this.#lock = lock;
    this.#network =
      options.containers?.nodeNetwork ??
      new Network({
        settings: { ...NETWORK_DEFAULTS, stateDir: join(options.stateDir, 'network') },
        log,
        keepBridge: true,
      });
    this.#redis = createRedis(redisUrl, log);
    this.#blocking = createRedis(redisUrl, log);
    this.#outbox = new Outbox(this.#redis, log);
    const records = new Records(this.#outbox, { loggerCountMax: settings.loggerSize });
    const publisher = new Publisher(this.#redis, this.#outbox, records);
    this.#publisher = publisher;
    const slots = new JobSlots(settings.maxJobs);
    this.#slots = slots;
    this.#registry = this.#hostCommands(records);
    const place = new HostPlace({ guestProgram, workingDir, env });
    this.#guest = new Guest(place);
    this.#jobs = new Jobs({
      place,
      guest: this.#guest,
      registry: this.#registry,
      sink: publisher,
      slots,
      onChange: () => this.#journal.changed(),
    });
    this.#journal = new JobJournal(options.stateDir, () => this.#alive(), log);
    this.#queue = new CommandQueue({
      blocking: this.#blocking,
      redis: this.#redis,
      publisher,
      waitForRoom: (signal) => slots.waitForRoom(signal),
      submit: (command) => this.#jobs.submit(command),
      log,
    });
    this.#redis.on('ready', () => {
      const ids = () => this.#alive().map(({ command }) => command.id);
      publisher.restoreFlags(ids(), (id) => ids().includes(id));
    });
  }

  /**
   * Takes the state folder, connects, and begins to take commands.
   *
   * @param signal ends the wait for a Redis that is not there yet
   * @throws ERR_CACHE_LOCKED when another daemon has the state folder; ERR_CONFIG, ERR_PERMISSION, ERR_CREATE,
   *   ERR_ABORTED
   */
  static async start(options: CoreDaemonOptions, signal: AbortSignal): Promise<CoreDaemon> {
    const { stateDir } = options;
    await makeFolder(stateDir, { mode: 0o700 });
    const lock = await lockState(stateDir);
    let daemon: CoreDaemon | undefined;
    try {
      daemon = new CoreDaemon(options, lock);
      await daemon.#recover();
      await connectRedis(daemon.#redis, signal);
      await daemon.#openContainers();
      await connectRedis(daemon.#blocking, signal);
      await daemon.#startServices();
      daemon.#queue.start();
      options.log.info({ stateDir }, 'taking commands');
      return daemon;
    } catch (error) {
      if (daemon === undefined) await lock.release();
      else await daemon.stop();
      throw error;
    }
  }

  /** Takes no more commands, ends the jobs of the host, publishes what became of them. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Jobs of the host and of all containers whose results are owed to clients. */
  #alive(): LiveJob[] {
    return [...this.#jobs.alive(), ...(this.#containers?.alive() ?? [])];
  }

  /** Ends what a daemon has left that ended without warning. */
  async #recover(): Promise<void> {
    const results = await this.#journal.recover();
    for (const result of results) this.#publisher.publishMissing(result);
    if (results.length > 0) this.#options.log.warn({ jobs: results.length }, 'ended lost jobs');
  }

  async #stop(): Promise<void> {
    await this.#queue.stop();
    const graceMs = this.#options.stopGraceMs ?? STOP_GRACE_MS;
    await Promise.all([this.#jobs.stop(graceMs), this.#containers?.stop(graceMs)]);
    await this.#guest.stop();
    await this.#network
      .close()
      .catch((err: unknown) =>
        this.#options.log.error({ err }, 'the network cannot be taken away'),
      );
    const late = setTimeout(() => this.#outbox.close(), FLUSH_MS);
    await this.#outbox.flush();
    clearTimeout(late);
    await this.#journal.close();
    this.#redis.disconnect();
    this.#blocking.disconnect();
    await this.#lock.release();
    this.#options.log.info({}, 'stopped');
  }

  /** Commands do not wait for them. @throws ERR_CONFIG when the file says what cannot be */
  async #startServices(): Promise<void> {
    const { startup, env, log } = this.#options;
    if (startup === undefined) return;
    const { startServices } = await import('./container/startup.ts');
    const { parseStartupFile } = await import('./container/startup-file.ts');
    const kernel = await readFile('/proc/cmdline', 'utf8');
    const defined = Object.entries(env).filter((pair): pair is [string, string] => pair[1] != null);
    const variables = { env: Object.fromEntries(defined), kernel };
    let services: readonly Service[];
    try {
      services = parseStartupFile(startup.text, variables);
    } catch (error) {
      const { message } = error as Error;
      throw new G8Error('ERR_CONFIG', `Services file ${startup.path}: ${message}`, {
        cause: error,
      });
    }
    startServices(services, { jobs: this.#jobs, log }).catch((err: unknown) =>
      log.error({ err }, 'services cannot be started'),
    );
  }

  /** Takes over the containers of an earlier daemon; from then on there are commands about containers. */
  async #openContainers(): Promise<void> {
    const { containers: settings, stateDir, guestProgram, log, version } = this.#options;
    if (settings === undefined) return;
    this.#containers = await ContainerHost.open({
      settings,
      stateDir,
      guestProgram,
      log,
      cells: {
        sink: this.#publisher,
        slots: this.#slots,
        registry: placeCommands({ version, ownUsage: async () => NO_USAGE }),
        onChange: () => this.#journal.changed(),
      },
      hostJobs: this.#jobs,
      acknowledge: (id, signal) => this.#publisher.acknowledge(id, signal),
    });
    this.#registry.add(this.#containers.commands());
  }

  #hostCommands(records: Records): CommandRegistry {
    const { settings, version, log } = this.#options;
    const registry = placeCommands({ version, ownUsage })
      .add(loggerCommands({ records, setLogLevel: (level) => log.setLevel(level) }))
      .add(configCommands(settings))
      .add(WEB)
      .add(DMI)
      .add(bridgeCommands(new NamedBridges(this.#network)))
      .add(nftCommands(new OpenPorts(settings.firewallChain ?? '')))
      .add(socatCommands(this.#network))
      .add(cgroupCommands(new NamedCgroups()));
    for (const name of settings.extensions.keys()) {
      // Those of containers come when the containers are open.
      if (registry.find(name) === undefined && !name.startsWith('corex.')) continue;
      throw new G8Error('ERR_CONFIG', `Extension ${name} has the name of another command`);
    }
    return registry.add(extensionCommands(settings.extensions));
  }
}

async function lockState(stateDir: string): Promise<FileLock> {
  try {
    return await lockFile(join(stateDir, 'core'), { waitMs: 0 });
  } catch (error) {
    if (!isG8Error(error, 'ERR_TIMEOUT')) throw error;
    throw new G8Error('ERR_CACHE_LOCKED', `State folder ${stateDir} has a core daemon already`, {
      cause: error,
    });
  }
}
