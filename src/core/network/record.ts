/**
 * What of the network was set up, on disk: who comes later, also after a crash, knows what is ours and can
 * take it away. Several processes may change it; each does so under a lock, one change after the other.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { lockFile } from '../../base/file-lock.ts';
import { KeyedLock } from '../../base/keyed-lock.ts';
import { makeFolder } from '../../base/make-folder.ts';

const processSchema = z.object({ pid: z.int().positive(), started: z.string() });
const nicSchema = z.object({
  type: z.enum(['default', 'bridge', 'macvlan']),
  id: z.string(),
  name: z.string(),
  hwaddr: z.string(),
  monitor: z.boolean(),
  config: z.object({
    dhcp: z.boolean(),
    cidr: z.string(),
    gateway: z.string(),
    dns: z.array(z.string()).nullable(),
  }),
  state: z.enum(['unknown', 'configured', 'error', 'destroyed']),
});
const containerSchema = z.object({
  /** On the default bridge; `null` without a default nic. */
  address: z.string().nullable(),
  nics: z.array(nicSchema),
  /** Host side as the protocol writes it, and the container's port. */
  forwards: z.array(z.object({ key: z.string(), port: z.int() })),
});
const bridgeSchema = z.object({
  mode: z.enum(['none', 'static', 'dnsmasq']),
  nat: z.boolean(),
  cidr: z.string(),
  start: z.string(),
  end: z.string(),
  hosts: z.array(z.object({ ip: z.string(), mac: z.string() })),
});
const recordSchema = z.object({
  version: z.literal(1),
  /** Of the kernel that all of this was set up in. */
  boot: z.string(),
  /** Whether the default bridge is ours. */
  ownsBridge: z.boolean(),
  /** Whether we switched forwarding on. */
  ownsForwarding: z.boolean(),
  /** Digest of what the firewall's table was told last; empty when there is no table. */
  firewall: z.string(),
  /** Name servers by bridge. */
  servers: z.record(z.string(), processSchema),
  /** Other bridges of ours by name. */
  bridges: z.record(z.string(), bridgeSchema),
  /** By id. */
  containers: z.record(z.string(), containerSchema),
});

export type ProcessRecord = z.infer<typeof processSchema>;
export type NicRecord = z.infer<typeof nicSchema>;
export type ContainerRecord = z.infer<typeof containerSchema>;
export type BridgeRecord = z.infer<typeof bridgeSchema>;
/** A copy that its holder may change. */
export type NetworkRecord = z.infer<typeof recordSchema>;

export class RecordFile {
  readonly #folder: string;
  readonly #path: string;
  /** Turns within this process, because the lock on the file is asked for again only now and then. */
  readonly #turns = new KeyedLock();

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, 'network.json');
  }

  /** @returns a new one when there is none, or only one from before a reboot @throws ERR_IO */
  async read(): Promise<NetworkRecord> {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return emptyRecord(boot);
      throw toG8Error(error, 'ERR_IO', `${this.#path} cannot be read`);
    }
    const parsed = recordSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data.boot === boot ? parsed.data : emptyRecord(boot);
    throw new G8Error('ERR_IO', `${this.#path} is damaged: remove it when no container runs`);
  }

  /**
   * Gives the record to `change` and keeps what it has become, also when `change` fails: it says what was
   * really done. Others wait meanwhile.
   *
   * @throws what `change` throws; ERR_TIMEOUT when another process does not let go; ERR_IO
   */
  async change<T>(change: (record: NetworkRecord) => Promise<T>): Promise<T> {
    return await this.#turns.run(this.#path, async () => {
      await makeFolder(this.#folder, { mode: 0o700 });
      const lock = await lockFile(this.#path);
      try {
        const record = await this.read();
        const before = JSON.stringify(record);
        try {
          return await change(record);
        } finally {
          const after = JSON.stringify(record);
          if (after !== before) await this.#write(after);
        }
      } finally {
        await lock.release();
      }
    });
  }

  async #write(text: string): Promise<void> {
    const draft = `${this.#path}.new`;
    await writeFile(draft, text, { mode: 0o600 });
    await rename(draft, this.#path);
  }
}

function emptyRecord(boot: string): NetworkRecord {
  return {
    version: 1,
    boot,
    ownsBridge: false,
    ownsForwarding: false,
    firewall: '',
    servers: {},
    bridges: {},
    containers: {},
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
