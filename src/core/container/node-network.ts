/** The networks of a node's containers, as they are made and taken away with them. */
import type { Network } from '../network/network.ts';
import type { ContainerArguments } from './arguments.ts';
import type { ContainerNetwork, PreparedNetwork } from './container-network.ts';

export class NodeNetwork implements ContainerNetwork {
  readonly #network: Network;
  readonly #isFixed: boolean;

  /** @param options.isFixed containers get no nics later: one without any needs no namespace with a name. Default false */
  constructor(network: Network, options: { readonly isFixed?: boolean } = {}) {
    this.#network = network;
    this.#isFixed = options.isFixed === true;
  }

  async prepare(id: number, args: ContainerArguments): Promise<PreparedNetwork> {
    if (args.host_network) return { namespace: 'host' };
    if (this.#isFixed && args.nics.length === 0) return { namespace: 'none', resolvConf: [] };
    const request = { nics: args.nics, forwards: args.port ?? {} };
    const { netnsPath, nameServers, addresses } = await this.#network.prepare(id, request);
    const [address] = addresses;
    return {
      namespace: { path: netnsPath },
      resolvConf: nameServers.map((server) => `nameserver ${server}`),
      ...(address === undefined ? {} : { address: address.split('/', 1)[0] as string }),
      nics: await this.#network.nicsOf(id),
    };
  }

  async remove(id: number): Promise<void> {
    await this.#network.release(id);
  }

  async prune(living: ReadonlySet<number>): Promise<void> {
    await this.#network.prune(living);
  }
}
