/**
 * Bridges that were asked for by name: with or without an address, with leases and masquerading. They stay
 * until they are deleted or the machine restarts; containers come and go on them.
 */
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { type Cidr, contains, parseCidr } from './addresses.ts';
import { bridgeNames, bridgePorts, createBridge, removeBridge } from './bridge.ts';
import { interfaceNames } from './interfaces.ts';
import type { Network } from './network.ts';
import { isHardwareAddress } from './nic.ts';
import type { BridgeRecord, NetworkRecord } from './record.ts';
import { changeIp } from './run-ip.ts';
import { isInterfaceName } from './settings.ts';
import { dropNameServer, ensureNameServer } from './shared.ts';

const HOSTS_MAX = 1024;

export interface NamedBridgeRequest {
  readonly name: string;
  /** Empty: one that follows from the name. */
  readonly hwaddr: string;
  /** `static` gives the bridge an address, `dnsmasq` leases to its nics besides. */
  readonly mode: 'none' | 'static' | 'dnsmasq';
  /** Its nics reach the world under the host's address. Needs an address. */
  readonly nat: boolean;
  /** Address of the bridge, `10.1.0.1/24`; first and last address of the leases. Empty where not needed. */
  readonly cidr: string;
  readonly start: string;
  readonly end: string;
}

export class NamedBridges {
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  /** All bridges of the host, whoever has made them. @throws ERR_IO */
  async list(): Promise<string[]> {
    return await bridgeNames();
  }

  /** @throws ERR_USAGE, ERR_CONFIG when its network is in use or dnsmasq is not installed, ERR_IO */
  async create(request: NamedBridgeRequest): Promise<void> {
    this.#check(request);
    const { name, hwaddr, mode, nat, cidr, start, end } = request;
    await this.#network.records.change(async (record) => {
      if ((await interfaceNames()).has(name)) {
        throw new G8Error('ERR_USAGE', `There is an interface ${name} already`);
      }
      await createBridge({
        name,
        cidr: mode === 'none' ? undefined : cidr,
        hwaddr: hwaddr === '' ? undefined : hwaddr,
      });
      record.bridges[name] = {
        mode,
        nat,
        cidr: mode === 'none' ? '' : cidr,
        start,
        end,
        hosts: [],
      };
      try {
        if (mode === 'dnsmasq') await this.#serve(record, name);
        await this.#network.settle(record);
      } catch (error) {
        await this.#remove(record, name).catch(() => {}); // The first error is the one that tells.
        throw error;
      }
    });
  }

  /** Deletes a bridge, also one that others have made. @throws ERR_NO_INPUT, ERR_USAGE, ERR_IO */
  async delete(name: string): Promise<void> {
    this.#checkName(name);
    await this.#network.records.change(async (record) => {
      if (!(await bridgeNames()).includes(name) && record.bridges[name] === undefined) {
        throw noBridge(name);
      }
      await this.#remove(record, name);
    });
  }

  /** @throws ERR_NO_INPUT when there is no such bridge or interface, ERR_USAGE, ERR_IO */
  async addNic(name: string, nic: string): Promise<void> {
    if (!isInterfaceName(nic)) throw noInterface(nic);
    await this.#findBridge(name);
    if (!(await interfaceNames()).has(nic)) throw noInterface(nic);
    await changeIp([['link', 'set', nic, 'master', name]]);
  }

  /** Takes an interface off whatever bridge it is on. @throws ERR_NO_INPUT, ERR_IO */
  async removeNic(nic: string): Promise<void> {
    if (!(await interfaceNames()).has(nic)) throw noInterface(nic);
    await changeIp([['link', 'set', nic, 'nomaster']]);
  }

  /** Names of the interfaces on a bridge. @throws ERR_NO_INPUT, ERR_IO */
  async listNics(name: string): Promise<string[]> {
    await this.#findBridge(name);
    return await bridgePorts(name);
  }

  /** Gives one hardware address always the same lease. @throws ERR_NO_INPUT, ERR_USAGE, ERR_IO */
  async addHost(name: string, ip: string, mac: string): Promise<void> {
    if (!isHardwareAddress(mac)) throw refused(`Hardware address '${mac}' is not valid`);
    await this.#network.records.change(async (record) => {
      const bridge = record.bridges[name];
      if (bridge?.mode !== 'dnsmasq') throw noBridge(name);
      const cidr = parseCidr(bridge.cidr) as Cidr;
      if (!isIPv4(ip) || !contains(cidr, ip)) {
        throw refused(`Address '${ip}' is not one of bridge ${name}`);
      }
      if (bridge.hosts.length >= HOSTS_MAX) throw refused(`Bridge ${name} has ${HOSTS_MAX} hosts`);
      bridge.hosts = [...bridge.hosts.filter((host) => host.mac !== mac), { ip, mac }];
      // It reads them when it starts. Leases that were given are kept in its file.
      await dropNameServer(record, name);
      await this.#serve(record, name);
    });
  }

  async #serve(record: NetworkRecord, name: string): Promise<void> {
    const { settings } = this.#network;
    const { cidr, start, end, hosts } = record.bridges[name] as BridgeRecord;
    const { address } = parseCidr(cidr) as Cidr;
    const file = join(settings.stateDir, `leases-${name}`);
    const request = { bridge: name, address, leases: { start, end, file, hosts } };
    if (await ensureNameServer(record, request, settings)) return;
    throw new G8Error('ERR_CONFIG', 'Leases need dnsmasq, which is not installed');
  }

  async #remove(record: NetworkRecord, name: string): Promise<void> {
    await dropNameServer(record, name);
    await removeBridge(name);
    delete record.bridges[name];
    await this.#network.settle(record);
  }

  async #findBridge(name: string): Promise<void> {
    if (!(await bridgeNames()).includes(name)) throw noBridge(name);
  }

  #checkName(name: string): void {
    if (!isInterfaceName(name)) throw refused(`Bridge name '${name}' is not an interface's name`);
    if (name === this.#network.settings.bridge) throw refused(`Bridge ${name} is for default nics`);
  }

  #check({ name, hwaddr, mode, nat, cidr, start, end }: NamedBridgeRequest): void {
    this.#checkName(name);
    if (hwaddr !== '' && !isHardwareAddress(hwaddr)) {
      throw refused(`Hardware address '${hwaddr}' is not valid`);
    }
    if (mode === 'none') {
      if (nat) throw refused('A bridge without an address cannot masquerade');
      return;
    }
    const network = parseCidr(cidr);
    if (network === undefined) throw refused(`Address '${cidr}' is not of the form 10.1.0.1/24`);
    if (mode === 'static') return;
    for (const address of [start, end]) {
      if (!isIPv4(address) || !contains(network, address)) {
        throw refused(`Lease address '${address}' is not in ${cidr}`);
      }
    }
  }
}

function refused(message: string): G8Error {
  return new G8Error('ERR_USAGE', message);
}

function noBridge(name: string): G8Error {
  return new G8Error('ERR_NO_INPUT', `There is no bridge ${name}`);
}

function noInterface(name: string): G8Error {
  return new G8Error('ERR_NO_INPUT', `There is no interface ${name}`);
}
