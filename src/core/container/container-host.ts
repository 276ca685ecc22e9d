/**
 * The containers of a core daemon: their life, their jobs, their services, and the commands about them. Containers go
 * on when it stops.
 */
import { appendFile, readFile } from 'node:fs/promises';
import { corexCommands } from '../command/corex.ts';
import { corexNetworkCommands, type NetworkedContainer } from '../command/corex-network.ts';
import type { CommandHandler } from '../command/registry.ts';
import type { Jobs } from '../job/jobs.ts';
import type { LiveJob } from '../job/journal.ts';
import type { Network } from '../network/network.ts';
import type { Command } from '../transport/command.ts';
import { type CellServices, Cells } from './cells.ts';
import type { Container, EndReason } from './container.ts';
import { Containers, type ContainersOptions } from './containers.ts';
import { readInRoot } from './in-root.ts';
import { endLostJobs } from './lost-jobs.ts';
import { startServices } from './startup.ts';
import { parseStartupFile, STARTUP_FILE, STARTUP_SIZE_MAX } from './startup-file.ts';

/** What an administrator says of containers, and what the daemon has found. */
export type ContainerSettings = Omit<
  ContainersOptions,
  'stateDir' | 'programs' | 'log' | 'adopt' | 'onEnd' | 'onRestart' | 'onRestarting'
> & {
  /** Where chunks are unless a container says it; empty: where its flist says. */
  readonly storage: string;
  /** Bridge of default nics. */
  readonly bridge: string;
  /** What makes the containers' nics; absent: they have none. */
  readonly nodeNetwork?: Network;
};

export interface ContainerHostOptions {
  readonly settings: ContainerSettings;
  readonly stateDir: string;
  readonly guestProgram: string;
  readonly log: ContainersOptions['log'];
  readonly cells: CellServices;
  /** Jobs of the host, in whose list containers are shown. */
  readonly hostJobs: Jobs;
  readonly acknowledge: (id: string, signal: AbortSignal) => Promise<void>;
}

export class ContainerHost {
  readonly #options: ContainerHostOptions;
  readonly #containers: Containers;
  readonly #cells: Cells;
  /** Takes a container out of the host's list of jobs. */
  readonly #shown = new Map<number, () => void>();
  /** Settles when the services of a container run, or will not. */
  readonly #ready = new Map<number, Promise<void>>();

  private constructor(options: ContainerHostOptions, containers: Containers, cells: Cells) {
    this.#options = options;
    this.#containers = containers;
    this.#cells = cells;
  }

  /** Takes over what an earlier daemon has left. @throws what {@link Containers.open} throws */
  static async open(options: ContainerHostOptions): Promise<ContainerHost> {
    const { settings, stateDir, guestProgram, log } = options;
    const cells = new Cells(options.cells);
    let host: ContainerHost | undefined;
    const containers = await Containers.open({
      ...settings,
      stateDir,
      programs: { guest: guestProgram },
      log,
      adopt: true,
      onEnd: (container, reason) => host?.onEnd(container, reason),
      onRestarting: async (container) => await host?.onRestarting(container),
      onRestart: (container) => host?.onRestart(container),
    });
    host = new ContainerHost(options, containers, cells);
    for (const container of containers.list()) await host.takeOver(container);
    if (settings.nodeNetwork !== undefined) {
      settings.nodeNetwork.onNameServers = (id, servers) => {
        const container = containers.find(id);
        if (container === undefined) return;
        addNameServers(container, servers).catch((error: unknown) => {
          log.warn({ err: error, container: id }, 'name servers of a lease cannot be written');
        });
      };
    }
    return host;
  }

  /** Jobs in containers whose results are owed to clients. */
  alive(): LiveJob[] {
    return this.#cells.all().flatMap(({ jobs }) => jobs.alive());
  }

  commands(): Record<string, CommandHandler> {
    const { nodeNetwork } = this.#options.settings;
    return {
      ...this.#containerCommands(),
      ...(nodeNetwork === undefined
        ? {}
        : corexNetworkCommands({ network: nodeNetwork, find: (id) => this.#networked(id) })),
    };
  }

  #networked(id: number): NetworkedContainer | undefined {
    const container = this.#containers.find(id);
    if (container === undefined) return undefined;
    return {
      hasHostNetwork: container.record.arguments.host_network,
      addNameServers: (servers) => addNameServers(container, servers),
    };
  }

  #containerCommands(): Record<string, CommandHandler> {
    return corexCommands({
      containers: this.#containers,
      cells: this.#cells,
      storage: this.#options.settings.storage,
      bridge: this.#options.settings.bridge,
      network: this.#options.settings.nodeNetwork,
      onCreated: (container) => this.#begin(container),
      dispatch: async (container, command, signal) => {
        await this.#options.acknowledge(command.id, signal);
        // The answer does not wait for services; the command does.
        const ready = this.#ready.get(container.id) ?? Promise.resolve();
        void ready.then(() => this.#cells.of(container).jobs.submit(command));
      },
    });
  }

  /** Ends the jobs in containers and leaves the containers as they are. */
  async stop(graceMs: number): Promise<void> {
    await this.#cells.stop(graceMs);
    await this.#containers.close();
    await this.#options.settings.nodeNetwork?.close();
  }

  /** Puts a container into the host's list of jobs, where it can be killed. */
  #show(container: Container): void {
    const { id, record } = container;
    const { usage } = this.#cells.of(container);
    const shown = this.#options.hostJobs.addInternal({
      command: internalCommand(`core-${id}`, record.arguments.tags),
      startedAt: Date.parse(record.created),
      pid: container.init?.pid ?? 0,
      usage: () => usage.measure(),
      kill: () => {
        this.#containers.terminate(id).catch((error: unknown) => {
          this.#options.log.error({ err: error, container: id }, 'container cannot be ended');
        });
      },
    });
    this.#shown.set(id, shown);
  }

  /** @internal Its jobs ended with the daemon that had it; its services start again. */
  async takeOver(container: Container): Promise<void> {
    const count = await endLostJobs(container);
    if (count > 0) {
      this.#options.log.warn({ container: container.id, jobs: count }, 'ended lost jobs');
    }
    this.#begin(container);
  }

  #begin(container: Container): void {
    this.#show(container);
    const { id, record } = container;
    // One with a command is that command's alone.
    if (record.command !== null || !container.isRunning()) return;
    const ready = this.#startServices(container)
      .catch((error: unknown) => {
        this.#options.log.warn({ err: error, container: id }, 'services cannot be started');
      })
      .finally(() => this.#ready.delete(id));
    this.#ready.set(id, ready);
  }

  async #startServices(container: Container): Promise<void> {
    const text = await readInRoot(container.root, STARTUP_FILE, STARTUP_SIZE_MAX);
    if (text === undefined) return;
    const services = parseStartupFile(text, {
      env: container.record.arguments.env ?? {},
      kernel: await readFile('/proc/cmdline', 'utf8'),
    });
    const { jobs } = this.#cells.of(container);
    await Promise.race([startServices(services, { jobs, log: this.#options.log }), container.gone]);
  }

  /** @internal Its jobs went with its first process. Those that are sent when it runs again must not be taken for them. */
  async onRestarting({ id }: Container): Promise<void> {
    this.#shown.get(id)?.();
    await this.#cells.remove(id).catch((error: unknown) => {
      this.#options.log.error({ err: error, container: id }, 'jobs cannot be ended');
    });
  }

  /** @internal Its services start again. */
  onRestart(container: Container): void {
    this.#begin(container);
  }

  /** @internal */
  onEnd(container: Container, reason: EndReason): void {
    const { id, record } = container;
    this.#shown.get(id)?.();
    this.#shown.delete(id);
    this.#cells.remove(id).catch((error: unknown) => {
      this.#options.log.error({ err: error, container: id, reason }, 'jobs cannot be ended');
    });
    const { tags } = record.arguments;
    if (tags === null || tags.length === 0) return;
    // Whoever reads the log of all jobs hears of the end.
    const command = internalCommand(`container.${tags.join('.')}`, tags);
    this.#options.cells.sink.publishMessage(id, command, { level: 0, text: '', endFlags: 2 });
  }
}

/** The file is bound into the container, which sees at once what is appended. */
async function addNameServers(container: Container, servers: readonly string[]): Promise<void> {
  const lines = servers.map((server) => `nameserver ${server}\n`).join('');
  await appendFile(container.folder.file('resolv.conf'), lines);
}

function internalCommand(id: string, tags: readonly string[] | null): Command {
  return {
    id,
    command: 'corex',
    arguments: {},
    queue: '',
    maxTime: 0,
    maxRestart: 0,
    recurringPeriod: 0,
    stream: false,
    tags,
    logLevels: null,
    statsInterval: 0,
  };
}
