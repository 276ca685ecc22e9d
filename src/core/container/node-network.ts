/** The networks of a node's containers, as they are made and taken away with them. */
import type { Network } from '../network/network.ts';
import type { ContainerArguments } from './arguments.ts';
import type { ContainerNetwork, PreparedNetwork } from './container-network.ts';

export class NodeNetwork implements ContainerNetwork {
  readonly #open: () => Promise<Network>;
  readonly #isFixed: boolean;
  /** Containers of this process that nothing was made for. */
  readonly #plain = new Set<number>();
  #network: Promise<Network> | undefined;

  /**
   * @param open called when there is something to do, and once
   * @param options.isFixed containers get no nics later: one without any needs no namespace with a name. Default false
   */
  constructor(open: () => Promise<Network>, options: { readonly isFixed?: boolean } = {}) {
    this.#open = open;
    this.#isFixed = options.isFixed === true;
  }

  async prepare(id: number, args: ContainerArguments): Promise<PreparedNetwork> {
    if (args.host_network || (this.#isFixed && args.nics.length === 0)) {
      this.#plain.add(id);
      return args.host_network ? { namespace: 'host' } : { namespace: 'none', resolvConf: [] };
    }
    const network = await this.#get();
    const request = { nics: args.nics, forwards: args.port ?? {} };
    const { netnsPath, nameServers, addresses } = await network.prepare(id, request);
    const [address] = addresses;
    return {
      namespace: { path: netnsPath },
      resolvConf: nameServers.map((server) => `nameserver ${server}`),
      ...(address === undefined ? {} : { address: address.split('/', 1)[0] as string }),
      nics: await network.nicsOf(id),
    };
  }

  async remove(id: number): Promise<void> {
    if (this.#plain.delete(id)) return;
    await (await this.#get()).release(id);
  }

  async prune(living: ReadonlySet<number>): Promise<void> {
    await (await this.#get()).prune(living);
  }

  #get(): Promise<Network> {
    this.#network ??= this.#open();
    return this.#network;
  }
}
