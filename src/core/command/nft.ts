/** `nft.*`: ports that the host's firewall lets in, where its administrator allows that. */
import type { OpenPort, OpenPorts } from '../network/open-ports.ts';
import { type Arguments, integer, text } from './arguments.ts';
import type { CommandHandler } from './registry.ts';
import { withCodes } from './with-codes.ts';

/** That the setting names no chain is the answer to every change. */
const CODES = { ERR_CONFIG: 406 } as const;

export function nftCommands(ports: OpenPorts): Record<string, CommandHandler> {
  return {
    'nft.open_port': async (args) => withCodes(CODES, () => ports.open(portOf(args))),
    'nft.drop_port': async (args) => withCodes(CODES, () => ports.drop(portOf(args))),
    'nft.list': async () => withCodes(CODES, () => ports.list()),
    'nft.rule_exists': async (args) => withCodes(CODES, () => ports.has(portOf(args))),
  };
}

function portOf(args: Arguments): OpenPort {
  return {
    port: integer(args, 'port'),
    interface: text(args, 'interface', ''),
    subnet: text(args, 'subnet', ''),
  };
}
