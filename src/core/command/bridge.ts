/** `bridge.*`: bridges of the host. */
import type { NamedBridges } from '../network/bridges.ts';
import { type Arguments, flag, object, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';
import { withCodes } from './with-codes.ts';

const MODES = ['none', 'static', 'dnsmasq'] as const;

export function bridgeCommands(bridges: NamedBridges): Record<string, CommandHandler> {
  const addHost: CommandHandler = async (args) =>
    withCodes({}, () => bridges.addHost(text(args, 'bridge'), text(args, 'ip'), text(args, 'mac')));
  return {
    'bridge.create': async (args) => {
      const network: Arguments = args['network'] == null ? {} : object(args, 'network');
      const settings: Arguments = network['settings'] == null ? {} : object(network, 'settings');
      const mode = MODES.find((known) => known === (text(network, 'mode', '') || 'none'));
      if (mode === undefined) throw new CommandError(400, 'unknown network mode of a bridge');
      await withCodes({}, () =>
        bridges.create({
          mode,
          name: text(args, 'name'),
          hwaddr: text(args, 'hwaddr', ''),
          nat: flag(network, 'nat'),
          cidr: text(settings, 'cidr', ''),
          start: text(settings, 'start', ''),
          end: text(settings, 'end', ''),
        }),
      );
    },
    'bridge.delete': async (args) => withCodes({}, () => bridges.delete(text(args, 'name'))),
    'bridge.list': async () => bridges.list(),
    'bridge.nic-add': async (args) =>
      withCodes({}, () => bridges.addNic(text(args, 'name'), text(args, 'nic'))),
    'bridge.nic-remove': async (args) => withCodes({}, () => bridges.removeNic(text(args, 'nic'))),
    'bridge.nic-list': async (args) => withCodes({}, () => bridges.listNics(text(args, 'name'))),
    'bridge.host-add': addHost,
    'bridge.add_host': addHost,
  };
}
