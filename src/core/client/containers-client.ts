/** Containers of a core daemon. */
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';
import type { WaitOptions } from './core-job.ts';
import type { PlaceClient } from './place-client.ts';

/** Fetching and unpacking a large flist for the first time takes longest. */
const CREATE_TIMEOUT_MS = 120_000;

/** How a container is asked for; what is left out has the daemon's defaults. */
export interface ContainerRequest {
  /** Flist of its root: an http, https or file URL, a path of the daemon's host, or a name on its hub. */
  readonly root: string;
  /** Paths inside by paths of the host or URLs of flists. */
  readonly mount?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  /** Default: one default nic. */
  readonly nics?: readonly NicRequest[];
  /** Container ports by host side, `[address:]port[|protocols]`. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly privileged?: boolean;
  readonly hostname?: string;
  /** Where the chunks of the root are. */
  readonly storage?: string;
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Groups to join, as `[subsystem, name]`. */
  readonly cgroups?: readonly (readonly [subsystem: string, name: string])[];
  /** Files to write into the root, by path. */
  readonly config?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  /** Whether it is started again when its first process dies; default `no`. */
  readonly restart?: 'no' | 'always' | 'on-failure' | `on-failure:${number}`;
}

export interface NicRequest {
  readonly type: 'default' | 'bridge' | 'macvlan';
  /** Bridge, or parent of a macvlan. */
  readonly id?: string;
  readonly name?: string;
  readonly hwaddr?: string;
  readonly config?: {
    readonly dhcp?: boolean;
    readonly cidr?: string;
    readonly gateway?: string;
    readonly dns?: readonly string[];
  };
  readonly monitor?: boolean;
}

const containerSchema = z.object({
  root: z.string(),
  pid: z.int(),
  arguments: z.looseObject({
    name: z.string().nullish(),
    hostname: z.string().nullish(),
    tags: z.array(z.string()).nullish(),
    port: z.record(z.string(), z.int()).nullish(),
  }),
});
const listSchema = z.record(
  z.string(),
  z.object({
    cpu: z.number(),
    rss: z.number(),
    vms: z.number(),
    swap: z.number(),
    container: containerSchema,
  }),
);
const foundSchema = z.object({ id: z.int(), container: containerSchema });

/** A container as the daemon lists it. */
export interface ContainerInfo {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
  /** Where its root is mounted on the host. */
  readonly root: string;
  /** Its first process as the host sees it. */
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
  /** All it was made with, as the protocol writes it. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface ContainerStatus extends ContainerInfo {
  /** Per cent of one processor. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly vmsBytes: number;
  readonly swapBytes: number;
}

/** @public */
export class ContainersClient {
  readonly #host: PlaceClient;

  constructor(host: PlaceClient) {
    this.#host = host;
  }

  /** Makes a container and starts it. @returns its id @throws as `PlaceClient.json` */
  async create(request: ContainerRequest, options: WaitOptions = {}): Promise<number> {
    const { hostNetwork, ports, nics, tags, ...rest } = request;
    const args = {
      ...rest,
      host_network: hostNetwork ?? false,
      nics: nics ?? [{ type: 'default' }],
      port: ports ?? null,
    };
    const send = tags === undefined ? {} : { tags };
    const wait = { timeoutMs: CREATE_TIMEOUT_MS, ...options };
    return await this.#host.json<number>('corex.create', args, { ...send, ...wait });
  }

  /** All containers, by id. */
  async list(): Promise<ContainerStatus[]> {
    return statuses(await this.#host.json('corex.list'));
  }

  /** Those that have all of these tags. */
  async find(tags: readonly string[]): Promise<ContainerStatus[]> {
    return statuses(await this.#host.json('corex.find', { tags }));
  }

  /** By id or name; `undefined` when there is none. */
  async get(query: number | string): Promise<ContainerInfo | undefined> {
    const value = await this.#host.json('corex.get', { query });
    if (value === null) return undefined;
    const { id, container } = parse(foundSchema, value);
    return infoOf(id, container);
  }

  /** Ends a container and removes all it has written. */
  async terminate(id: number, options: WaitOptions = {}): Promise<void> {
    await this.#host.json('corex.terminate', { container: id }, options);
  }

  async addNic(id: number, nic: NicRequest): Promise<void> {
    await this.#host.json('corex.nic-add', { container: id, nic });
  }

  /** @param index in the container's list of nics */
  async removeNic(id: number, index: number): Promise<void> {
    await this.#host.json('corex.nic-remove', { container: id, index });
  }

  async addForward(id: number, hostPort: string | number, containerPort: number): Promise<void> {
    await this.#host.json('corex.portforward-add', forward(id, hostPort, containerPort));
  }

  async removeForward(id: number, hostPort: string | number, containerPort: number): Promise<void> {
    await this.#host.json('corex.portforward-remove', forward(id, hostPort, containerPort));
  }
}

function forward(id: number, hostPort: string | number, containerPort: number) {
  return { container: id, host_port: String(hostPort), container_port: containerPort };
}

function statuses(value: unknown): ContainerStatus[] {
  return Object.entries(parse(listSchema, value))
    .map(([id, { cpu, rss, vms, swap, container }]) => ({
      ...infoOf(Number(id), container),
      ...{ cpuPercent: cpu, rssBytes: rss, vmsBytes: vms, swapBytes: swap },
    }))
    .sort((a, b) => a.id - b.id);
}

function infoOf(
  id: number,
  { root, pid, arguments: args }: z.infer<typeof containerSchema>,
): ContainerInfo {
  const { name, tags, port } = args;
  return { id, root, pid, name: name ?? '', tags: tags ?? [], ports: port ?? {}, arguments: args };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new G8Error('ERR_PROTOCOL', 'The core daemon describes a container in an unknown way', {
    cause: parsed.error,
  });
}
