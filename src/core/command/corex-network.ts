/** `corex.nic-*` and `corex.portforward-*`: the network of a container while it runs. */
import { checkPort, parseForwardKey } from '../network/forward.ts';
import type { Network } from '../network/network.ts';
import { parseNic } from '../network/parse-nics.ts';
import { type Arguments, integer, object, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';
import { withCodes } from './with-codes.ts';

/** What these commands have to know of a container. */
export interface NetworkedContainer {
  readonly hasHostNetwork: boolean;
  /** Appends name servers to its resolv.conf. */
  addNameServers(servers: readonly string[]): Promise<void>;
}

export interface CorexNetworkServices {
  readonly network: Network;
  readonly find: (id: number) => NetworkedContainer | undefined;
}

export function corexNetworkCommands({
  network,
  find,
}: CorexNetworkServices): Record<string, CommandHandler> {
  const findContainer = (args: Arguments): { id: number; container: NetworkedContainer } => {
    const id = integer(args, 'container');
    const container = find(id);
    if (container === undefined) throw new CommandError(404, `no container with id '${id}'`);
    if (container.hasHostNetwork) {
      throw new CommandError(400, `container ${id} has the network of the host`);
    }
    return { id, container };
  };
  return {
    'corex.nic-add': async (args) => {
      const { id, container } = findContainer(args);
      const servers = await withCodes({ ERR_USAGE: 400 }, () =>
        network.addNic(id, parseNic(object(args, 'nic'))),
      );
      if (servers.length > 0) await container.addNameServers(servers);
    },
    'corex.nic-remove': async (args) => {
      const { id } = findContainer(args);
      const index = integer(args, 'index');
      await withCodes({ ERR_USAGE: 400, ERR_CONFIG: 412 }, () => network.removeNic(id, index));
    },
    'corex.portforward-add': async (args) => {
      const { id } = findContainer(args);
      const { key, port } = forwardOf(args);
      await withCodes({}, () => network.addForward(id, key, port));
    },
    'corex.portforward-remove': async (args) => {
      const { id } = findContainer(args);
      const { key, port } = forwardOf(args);
      await withCodes({}, () => network.removeForward(id, key, port));
    },
  };
}

function forwardOf(args: Arguments): { key: string; port: number } {
  const key = text(args, 'host_port');
  parseForwardKey(key);
  return { key, port: checkPort(integer(args, 'container_port')) };
}
