/** `socat.*`: port forwards of all containers, and ports that are still free. */
import { parseForwardKey } from '../network/forward.ts';
import type { Network } from '../network/network.ts';
import { ReservedPorts } from '../network/reserved-ports.ts';
import { integer } from './arguments.ts';
import type { CommandHandler } from './registry.ts';
import { withCodes } from './with-codes.ts';

export function socatCommands(network: Network): Record<string, CommandHandler> {
  const reserved = new ReservedPorts();
  return {
    'socat.list': async () => {
      const { containers } = await network.records.read();
      const list: Record<string, { from: string; to: string }> = {};
      for (const { address, forwards } of Object.values(containers)) {
        for (const { key, port: to } of address === null ? [] : forwards) {
          const { port, source } = parseForwardKey(key);
          list[port] = { from: `${sourceText(source)}:${port}`, to: `${address}:${to}` };
        }
      }
      return list;
    },
    'socat.reserve': async (args) =>
      withCodes({ ERR_USAGE: 400 }, async () =>
        reserved.reserve(integer(args, 'number'), await network.records.read()),
      ),
  };
}

function sourceText(source: ReturnType<typeof parseForwardKey>['source']): string {
  if (source === undefined) return '0.0.0.0';
  return 'network' in source ? source.network : source.interfaces;
}
