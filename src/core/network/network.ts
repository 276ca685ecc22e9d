/**
 * The network of containers: each gets a network namespace with its nics before it starts, and loses it by
 * its id alone. What containers share on the host comes with the first and goes with the last of them.
 *
 * Concurrency: calls for different containers may overlap, also between processes with the same folder; calls
 * for one container follow each other.
 */
import { G8Error } from '../../base/errors.ts';
import { KeyedLock } from '../../base/keyed-lock.ts';
import type { Logger } from '../../fs/log.ts';
import { containerAddress } from './addresses.ts';
import { addressOf, checkForward, checkId, copyOf, findEntry, isLive } from './container-entry.ts';
import {
  createNamespace,
  createNic,
  namespacePath,
  type PlacedNic,
  removeNamespace,
  removeNic,
} from './namespace.ts';
import { checkBeside, type Nic } from './nic.ts';
import { NicStates } from './nic-states.ts';
import { type ContainerRecord, type NetworkRecord, type NicRecord, RecordFile } from './record.ts';
import { hostNameServers } from './resolv-conf.ts';
import { checkNetworkSettings, type NetworkSettings } from './settings.ts';
import { defaultNetwork, ensureNameServer, settle } from './shared.ts';

export interface NetworkOptions {
  readonly settings: NetworkSettings;
  readonly log: Logger;
  /**
   * Whether the default bridge stays until {@link Network.close} although nobody uses it: for a process that
   * makes one container after the other. Default false.
   */
  readonly keepBridge?: boolean;
}

export interface NetworkRequest {
  /** Checked. */
  readonly nics: readonly Nic[];
  /** Container ports by host side, `[address:]port[|protocols]`. Without a default nic they are ignored. */
  readonly forwards: Readonly<Record<string, number>>;
}

export interface ContainerNetwork {
  readonly netnsPath: string;
  /** For the container's resolv.conf; those of leases come later. */
  readonly nameServers: readonly string[];
  /** IPv4 addresses with their prefix, of the nics that have one already. */
  readonly addresses: readonly string[];
}

export class Network {
  readonly settings: NetworkSettings;
  readonly records: RecordFile;
  /** Called when a lease has come: its name servers belong into the container's resolv.conf. */
  onNameServers: (container: number, servers: readonly string[]) => void = () => {};
  readonly #options: NetworkOptions;
  readonly #nicStates: NicStates;
  readonly #turns = new KeyedLock();

  /** Does nothing yet to the host. @throws ERR_CONFIG */
  constructor(options: NetworkOptions) {
    this.settings = checkNetworkSettings(options.settings);
    this.#options = options;
    this.records = new RecordFile(this.settings.stateDir);
    this.#nicStates = new NicStates({
      settings: this.settings,
      records: this.records,
      log: options.log,
      onNameServers: (container, servers) => this.onNameServers(container, servers),
    });
  }

  /**
   * Makes a container's network namespace with all its nics, and what it needs on the host.
   *
   * @throws ERR_USAGE for a host port that is taken, ERR_CONFIG, ERR_IO, ERR_TIMEOUT; nothing is left then
   */
  async prepare(container: number, request: NetworkRequest): Promise<ContainerNetwork> {
    checkId(container);
    return await this.#turns.run(String(container), async () => {
      try {
        return await this.#prepare(container, request);
      } catch (error) {
        await this.#release(container).catch(() => {}); // The first error is the one that tells.
        throw error;
      }
    });
  }

  /** Takes away whatever there is of a container's network; can be called again, and for ids never used. */
  async release(container: number): Promise<void> {
    checkId(container);
    await this.#turns.run(String(container), () => this.#release(container));
  }

  /** Takes away the networks of all containers but those that live, and repairs what is shared. */
  async prune(living: ReadonlySet<number>): Promise<void> {
    const ids = Object.keys((await this.records.read()).containers).map(Number);
    for (const id of ids) if (!living.has(id)) await this.release(id);
    await this.records.change((record) => this.#settle(record, { repair: true }));
  }

  /** Nics of a container, with what has become of them; none for an unknown one. */
  async nicsOf(container: number): Promise<readonly NicRecord[]> {
    return (await this.records.read()).containers[container]?.nics ?? [];
  }

  /** Live forwards of a container: container ports by host side. */
  async forwardsOf(container: number): Promise<Record<string, number>> {
    const known = (await this.records.read()).containers[container];
    if (known === undefined || known.address === null) return {};
    return Object.fromEntries(known.forwards.map(({ key, port }) => [key, port]));
  }

  /**
   * Adds a nic to a running container, at the end of its list.
   *
   * @returns name servers to append to the container's resolv.conf
   * @throws ERR_NO_INPUT for an unknown container, ERR_USAGE, ERR_CONFIG, ERR_IO
   */
  async addNic(container: number, nic: Nic): Promise<readonly string[]> {
    return await this.#turns.run(String(container), async () => {
      const placed = await this.records.change(async (record) => {
        const known = findEntry(record, container);
        checkBeside(nic, known.nics.filter(isLive), this.settings);
        const added = this.#place(container, nic, known.nics.length);
        known.nics.push({ ...copyOf(nic), state: 'unknown' });
        if (nic.type === 'default') known.address = addressOf(added);
        return added;
      });
      try {
        if (nic.type === 'default') await this.records.change((record) => this.#settle(record));
        await createNic(container, placed, this.settings);
        await this.#nicStates.configure(container, [placed]);
      } catch (error) {
        await this.records.change(async (record) => {
          const known = findEntry(record, container);
          known.nics.splice(placed.index, 1);
          if (nic.type === 'default') known.address = null;
          await this.#settle(record);
        });
        throw error;
      }
      return await this.#nameServers([placed]);
    });
  }

  /**
   * Takes a nic away from a running container; its entry stays.
   *
   * @throws ERR_NO_INPUT for an unknown container, ERR_USAGE for an unknown index, ERR_CONFIG when the nic is
   *   not configured, ERR_IO
   */
  async removeNic(container: number, index: number): Promise<void> {
    await this.#turns.run(String(container), async () => {
      const nic = findEntry(await this.records.read(), container).nics[index];
      if (nic === undefined) throw new G8Error('ERR_USAGE', `Container has no nic ${index}`);
      if (nic.state !== 'configured') {
        throw new G8Error('ERR_CONFIG', `Nic ${index} is not configured but ${nic.state}`);
      }
      await removeNic(container, { nic, index }, this.settings);
      await this.records.change(async (record) => {
        const known = findEntry(record, container);
        (known.nics[index] as NicRecord).state = 'destroyed';
        if (nic.type === 'default') known.address = null;
        await this.#settle(record);
      });
    });
  }

  /** @throws ERR_NO_INPUT, ERR_USAGE when the host port is taken or the container has no default nic */
  async addForward(container: number, key: string, port: number): Promise<void> {
    await this.records.change(async (record) => {
      const known = findEntry(record, container);
      if (known.address === null) {
        throw new G8Error('ERR_USAGE', `Container ${container} has no default nic to forward to`);
      }
      checkForward(record, key, port);
      known.forwards.push({ key, port });
      try {
        await this.#settle(record);
      } catch (error) {
        known.forwards.pop();
        throw error;
      }
    });
  }

  /** @throws ERR_NO_INPUT for an unknown container or forward */
  async removeForward(container: number, key: string, port: number): Promise<void> {
    await this.records.change(async (record) => {
      const known = findEntry(record, container);
      const at = known.forwards.findIndex((one) => one.key === key && one.port === port);
      if (at === -1) {
        throw new G8Error(
          'ERR_NO_INPUT',
          `Container ${container} has no forward ${key} to ${port}`,
        );
      }
      known.forwards.splice(at, 1);
      await this.#settle(record);
    });
  }

  /** Makes what is shared as the record wants it. For changes of the record by others. */
  async settle(record: NetworkRecord): Promise<void> {
    await this.#settle(record);
  }

  /** Ends what still waits for leases, and takes away what nobody uses any more. */
  async close(): Promise<void> {
    this.#nicStates.close();
    await this.records.change((record) =>
      settle(record, this.settings, this.#options.log, { keepBridge: false }),
    );
  }

  async #prepare(container: number, request: NetworkRequest): Promise<ContainerNetwork> {
    const placed = request.nics.map((nic, index) => this.#place(container, nic, index));
    const isDefault = ({ nic }: PlacedNic): boolean => nic.type === 'default';
    const own = placed.find(isDefault);
    await this.records.change(async (record) => {
      if (record.containers[container] !== undefined) {
        throw new G8Error('ERR_INTERNAL', `Container ${container} has a network already`);
      }
      const forwards = Object.entries(request.forwards);
      const known: ContainerRecord = { address: null, nics: [], forwards: [] };
      for (const [key, port] of forwards) {
        checkForward(record, key, port, known);
        known.forwards.push({ key, port });
      }
      known.address = own === undefined ? null : addressOf(own);
      known.nics = placed.map(({ nic }) => ({ ...copyOf(nic), state: 'unknown' }));
      record.containers[container] = known;
      await this.#settle(record);
    });
    const [nameServers] = await Promise.all([
      this.#nameServers(placed),
      createNamespace(container, placed, this.settings).then(() =>
        this.#nicStates.configure(container, placed),
      ),
    ]);
    const addresses = placed.map(({ config }) => config.cidr).filter((cidr) => cidr !== '');
    return { netnsPath: namespacePath(container, this.settings), nameServers, addresses };
  }

  async #release(container: number): Promise<void> {
    this.#nicStates.end(container);
    await removeNamespace(container, this.settings);
    // Without a nic it has nothing in common with others, and most have no entry.
    if ((await this.records.read()).containers[container] === undefined) return;
    await this.records.change(async (record) => {
      delete record.containers[container];
      await this.#settle(record);
    });
  }

  #place(container: number, nic: Nic, index: number): PlacedNic {
    if (nic.type !== 'default') return { nic, index, config: nic.config };
    const network = defaultNetwork(this.settings);
    const config = {
      dhcp: false,
      cidr: `${containerAddress(network, container)}/${network.prefix}`,
      gateway: network.address,
      dns: null,
    };
    return { nic, index, config };
  }

  /** Name servers for nics; that of the default bridge is started when it is first wanted. */
  async #nameServers(nics: readonly PlacedNic[]): Promise<string[]> {
    const own = nics.flatMap(({ config }) => config.dns ?? []);
    if (!nics.some(({ nic }) => nic.type === 'default')) return own;
    const { bridge } = this.settings;
    const { address } = defaultNetwork(this.settings);
    try {
      const isServed = await this.records.change((record) =>
        ensureNameServer(record, { bridge, address }, this.settings),
      );
      if (isServed) return [address, ...own];
    } catch (error) {
      this.#options.log.warn({ err: error }, 'No name server on the default bridge');
    }
    return [...(await hostNameServers()), ...own];
  }

  async #settle(record: NetworkRecord, { repair = false } = {}): Promise<void> {
    const { log, keepBridge = false } = this.#options;
    await settle(record, this.settings, log, { keepBridge, repair });
  }
}
