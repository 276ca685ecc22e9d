/** A core daemon with containers, a Redis, a hub folder and a small image, for one test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ContainerSettings } from '../../src/core/container/container-host.ts';
import { NodeNetwork } from '../../src/core/container/node-network.ts';
import { CoreDaemon } from '../../src/core/daemon.ts';
import type { Network } from '../../src/core/network/network.ts';
import { createLogger } from '../../src/fs/log.ts';
import { findGuestProgram } from '../../src/native/programs.ts';
import { ContainerWorld } from './container-world.ts';
import { RawCoreClient } from './raw-core-client.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

const PROCESS = fileURLToPath(new URL('./container-daemon-process.js', import.meta.url));

export class ContainerDaemon {
  readonly world: ContainerWorld;
  #redis: RedisServer | undefined;
  #client: RawCoreClient | undefined;
  #daemon: CoreDaemon | undefined;
  #process: ChildProcess | undefined;
  #network: Network | undefined;

  private constructor(context: TestContext) {
    // Before the world takes away what the daemon has.
    context.after(() => this.#end());
    this.world = new ContainerWorld(context);
  }

  /** @param createNetwork makes what gives containers their nics; default: they have none */
  static async start(
    context: TestContext,
    createNetwork?: (world: ContainerWorld) => Network,
  ): Promise<ContainerDaemon> {
    const started = new ContainerDaemon(context);
    started.#network = createNetwork?.(started.world);
    started.#redis = await startRedis();
    started.#client = new RawCoreClient(started.redisUrl);
    await started.startDaemon();
    return started;
  }

  get redisUrl(): string {
    return `redis://${this.#redis?.address}`;
  }

  get client(): RawCoreClient {
    return this.#client as RawCoreClient;
  }

  async startDaemon(): Promise<void> {
    const workingDir = this.world.mounts.path('host');
    mkdirSync(workingDir, { recursive: true });
    const { stateDir: _, programs: __, ...settings } = this.world.options();
    const network = this.#network;
    const containers: ContainerSettings = {
      ...settings,
      storage: '',
      bridge: 'core0',
      ...(network !== undefined && {
        network: new NodeNetwork(async () => network),
        nodeNetwork: network,
      }),
    };
    this.#daemon = await CoreDaemon.start(
      {
        redisUrl: this.redisUrl,
        stateDir: this.world.state,
        workingDir,
        guestProgram: findGuestProgram(),
        version: '1.2.3',
        log: createLogger('error'),
        env: process.env,
        stopGraceMs: 500,
        settings: { maxJobs: 100, loggerSize: 1000, extensions: new Map(), firewallChain: '' },
        containers,
      },
      new AbortController().signal,
    );
  }

  /** Starts a daemon in a process of its own instead, once it takes commands. */
  async startProcess(): Promise<ChildProcess> {
    await this.stopDaemon();
    const { state, cgroupParent, mounts } = this.world;
    const store = `dir://${mounts.path('chunks')}`;
    const args = [PROCESS, this.redisUrl, state, mounts.cache, store, cgroupParent];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  }

  async stopDaemon(): Promise<void> {
    await this.#daemon?.stop();
    this.#daemon = undefined;
  }

  /** Makes a container as the Python client does. @returns its number */
  async create(root: string, more: Record<string, unknown> = {}, tags?: string[]): Promise<number> {
    const args = {
      root,
      mount: null,
      host_network: false,
      nics: [],
      port: null,
      hostname: null,
      privileged: false,
      storage: null,
      name: null,
      identity: null,
      env: null,
      cgroups: null,
      ...more,
    };
    const id = await this.client.start('corex.create', args, { tags: tags ?? null });
    const result = await this.client.result(id, 30);
    if (result.state !== 'SUCCESS') throw new Error(`corex.create: ${result.code} ${result.data}`);
    return JSON.parse(result.data) as number;
  }

  /** Sends a command to a container. @returns its own id */
  async dispatch(
    container: number,
    command: string,
    args: Record<string, unknown>,
    more: Record<string, unknown> = {},
  ): Promise<string> {
    const inner = {
      command,
      arguments: args,
      queue: null,
      max_time: null,
      stream: false,
      tags: null,
      id: null,
      recurring_period: null,
      ...more,
    };
    return (await this.client.json('corex.dispatch', { container, command: inner })) as string;
  }

  async #end(): Promise<void> {
    this.#client?.close();
    this.#process?.kill('SIGKILL');
    await this.stopDaemon();
    await this.#redis?.stop();
  }
}
