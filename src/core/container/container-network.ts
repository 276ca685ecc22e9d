/** What containers need from a network, and the least there can be: loopback alone, or the host's. */
import type { ContainerArguments } from './arguments.ts';

/** A network that is ready before its container starts. */
export interface PreparedNetwork {
  /** Namespace by its path, the host's, or a new one with nothing but loopback. */
  readonly namespace: { readonly path: string } | 'host' | 'none';
  /** Lines of the container's resolv.conf; `undefined`: as the host's. */
  readonly resolvConf?: readonly string[];
  /** The container's own address, for its hosts file. */
  readonly address?: string;
  /** The nics as they have become; absent: as asked for. */
  readonly nics?: ContainerArguments['nics'];
}

export interface ContainerNetwork {
  /**
   * Makes everything that a container asks for; what fails leaves nothing behind.
   *
   * @throws ERR_USAGE for what no host can do, and whatever making it fails with
   */
  prepare(id: number, args: ContainerArguments): Promise<PreparedNetwork>;
  /** Takes everything away that there is for this number, however much that is. */
  remove(id: number): Promise<void>;
  /** Takes away what is left of containers other than these. */
  prune(living: ReadonlySet<number>): Promise<void>;
}

/** For containers that share the host's network or have none. */
export const PLAIN_NETWORK: ContainerNetwork = {
  prepare: async (_id, args) => ({ namespace: args.host_network ? 'host' : 'none' }),
  remove: async () => {},
  prune: async () => {},
};
