/** The networks of a node's containers, as they are made and taken away with them. */
import type { Network } from '../network/network.ts';
import type { ContainerArguments } from './arguments.ts';
import type { ContainerNetwork, PreparedNetwork } from './container-network.ts';

export class NodeNetwork implements ContainerNetwork {
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  async prepare(id: number, args: ContainerArguments): Promise<PreparedNetwork> {
    if (args.host_network) return { namespace: 'host' };
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
