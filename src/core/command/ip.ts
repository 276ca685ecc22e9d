/** `ip.*`: interfaces, addresses and routes of a place, by the host's iproute2. */
import { isIP } from 'node:net';
import { isHardwareAddress } from '../network/nic.ts';
import { askIp, changeIp } from '../network/run-ip.ts';
import { isInterfaceName } from '../network/settings.ts';
import { type Arguments, integer, text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandContext, CommandHandler } from './registry.ts';

const MTU_MIN = 68;
const MTU_MAX = 65_535;

interface Link {
  readonly ifname: string;
  readonly flags?: readonly string[];
  readonly address?: string;
  readonly master?: string;
  readonly link_type?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

interface Route {
  readonly dst?: string;
  readonly gateway?: string;
  readonly dev?: string;
}

export const IP: Readonly<Record<string, CommandHandler>> = {
  'ip.link.up': (args, context) => change(context, ['link', 'set', link(args), 'up']),
  'ip.link.down': (args, context) => change(context, ['link', 'set', link(args), 'down']),
  'ip.link.name': (args, context) =>
    change(context, ['link', 'set', link(args), 'name', link(args, 'new')]),
  'ip.link.mtu': async (args, context) => {
    const mtu = integer(args, 'mtu');
    if (mtu < MTU_MIN || mtu > MTU_MAX) throw new CommandError(400, `mtu cannot be ${mtu}`);
    await change(context, ['link', 'set', link(args), 'mtu', String(mtu)]);
  },
  'ip.link.list': async (_args, context) =>
    (await ask<Link>(context, ['-details', 'link', 'show'])).map((found) => ({
      type: found.linkinfo?.info_kind ?? 'device',
      name: found.ifname,
      hwaddr: found.link_type === 'loopback' ? '' : (found.address ?? ''),
      master: found.master ?? '',
      up: found.flags?.includes('UP') === true,
    })),

  'ip.addr.add': (args, context) =>
    change(context, ['addr', 'add', network(args, 'ip'), 'dev', link(args)]),
  'ip.addr.del': (args, context) =>
    change(context, ['addr', 'del', network(args, 'ip'), 'dev', link(args)]),
  'ip.addr.list': async (args, context) => {
    const found = await ask<Link>(context, ['addr', 'show', 'dev', link(args)]);
    return found.flatMap(({ addr_info = [] }) =>
      addr_info.map(({ local = '', prefixlen = 0 }) => `${local}/${prefixlen}`),
    );
  },

  'ip.route.add': (args, context) => change(context, ['route', 'add', ...route(args)]),
  'ip.route.del': (args, context) => change(context, ['route', 'del', ...route(args)]),
  'ip.route.list': async (_args, context) => {
    const families = ['-4', '-6'].map((family) => ask<Route>(context, [family, 'route', 'show']));
    return (await Promise.all(families)).flat().map(({ dst = '', gateway = '', dev = '' }) => ({
      dev,
      dst: dst === 'default' ? '' : dst,
      gw: gateway,
    }));
  },

  'ip.bridge.add': async (args, context) => {
    const address = text(args, 'hwaddr', '');
    if (address !== '' && !isHardwareAddress(address)) {
      throw new CommandError(400, `'${address}' is not a hardware address`);
    }
    const words = address === '' ? [] : ['address', address];
    await change(context, ['link', 'add', link(args), ...words, 'type', 'bridge']);
  },
  'ip.bridge.del': (args, context) =>
    change(context, ['link', 'del', link(args), 'type', 'bridge']),
  'ip.bridge.addif': async (args, context) => {
    await checkBridge(args, context);
    await change(context, ['link', 'set', link(args, 'inf'), 'master', link(args)]);
  },
  'ip.bridge.delif': async (args, context) => {
    await checkBridge(args, context);
    const inf = link(args, 'inf');
    const [found] = await ask<Link>(context, ['link', 'show', 'dev', inf]);
    if (found?.master !== link(args)) {
      throw new CommandError(500, `interface '${inf}' is not on bridge '${link(args)}'`);
    }
    await change(context, ['link', 'set', inf, 'nomaster']);
  },
};

function ask<T>({ place, job }: CommandContext, words: readonly string[]): Promise<T[]> {
  return askIp<T>(words, { prefix: place.networkPrefix, signal: job.signal });
}

function change({ place, job }: CommandContext, words: readonly string[]): Promise<void> {
  return changeIp([words], { prefix: place.networkPrefix, signal: job.signal });
}

/** @throws CommandError when the interface is no bridge */
async function checkBridge(args: Arguments, context: CommandContext): Promise<void> {
  const name = link(args);
  const bridges = await ask<Link>(context, ['link', 'show', 'type', 'bridge']);
  if (bridges.some(({ ifname }) => ifname === name)) return;
  throw new CommandError(500, `no bridge with name '${name}'`);
}

function link(args: Arguments, argument = 'name'): string {
  const name = text(args, argument);
  if (isInterfaceName(name)) return name;
  throw new CommandError(400, `'${name}' is not an interface's name`);
}

/** An address with the length of its prefix, of either family. */
function network(args: Arguments, argument: string): string {
  const value = text(args, argument);
  if (isNetwork(value)) return value;
  throw new CommandError(400, `'${value}' is not of the form 10.0.0.1/24`);
}

function isNetwork(value: string): boolean {
  const [address = '', prefix = '', ...more] = value.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
  return isIP(address) !== 0 && isPrefix && more.length === 0;
}

/** Without a destination it is the default route. */
function route(args: Arguments): string[] {
  const destination = text(args, 'dst', '');
  const gateway = text(args, 'gw', '');
  if (destination !== '' && !isNetwork(destination) && isIP(destination) === 0) {
    throw new CommandError(400, `'${destination}' is not a network`);
  }
  if (gateway !== '' && isIP(gateway) === 0) {
    throw new CommandError(400, `'${gateway}' is not an address`);
  }
  const via = gateway === '' ? [] : ['via', gateway];
  return [destination || 'default', ...via, 'dev', link(args, 'dev')];
}
