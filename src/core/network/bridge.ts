/** Bridges of the host: made with an address, looked at, taken away. Keeps nothing in memory. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { G8Error } from '../../base/errors.ts';
import { type Cidr, formatNetwork, overlap, parseCidr } from './addresses.ts';
import { interfaceNames } from './interfaces.ts';
import { askIp, changeIp } from './run-ip.ts';

const ROUTES = '/proc/self/net/route';

export interface BridgeRequest {
  readonly name: string;
  /** `172.18.0.1/16`; absent: none. */
  readonly cidr?: string | undefined;
  /** Absent: one that follows from the name, so that it does not change as ports come and go. */
  readonly hwaddr?: string | undefined;
}

/**
 * Makes a bridge, up.
 *
 * @throws ERR_CONFIG when its network is in use already, ERR_IO when there is an interface of this name
 */
export async function createBridge({ name, cidr, hwaddr }: BridgeRequest): Promise<void> {
  const address = cidr === undefined ? undefined : parseCidr(cidr);
  if (address !== undefined) await checkFree(address);
  await changeIp([
    ['link', 'add', name, 'address', hwaddr ?? hardwareAddress(name), 'type', 'bridge'],
    ...(cidr === undefined ? [] : [['addr', 'add', cidr, 'broadcast', '+', 'dev', name]]),
    ['link', 'set', name, 'up'],
  ]);
}

/** Takes a bridge away; nothing happens when it is not there. @throws ERR_IO */
export async function removeBridge(name: string): Promise<void> {
  if (!(await interfaceNames()).has(name)) return;
  await changeIp([['link', 'del', name, 'type', 'bridge']]);
}

/**
 * Looks at an interface that we have not made.
 *
 * @throws ERR_CONFIG when it is no bridge, or has not this address
 */
export async function checkBridge(name: string, cidr: string): Promise<void> {
  const [link] = await askIp<Link>(['-details', 'addr', 'show', 'dev', name]);
  const isBridge = link?.linkinfo?.info_kind === 'bridge';
  const addresses = link?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`) ?? [];
  if (isBridge && addresses.includes(cidr)) return;
  const what = isBridge ? `does not have the address ${cidr}` : 'is no bridge';
  throw new G8Error('ERR_CONFIG', `Interface ${name} was there before and ${what}`);
}

/** Names of the ports of a bridge. @throws ERR_IO */
export async function bridgePorts(name: string): Promise<string[]> {
  return (await askIp<Link>(['link', 'show', 'master', name])).map(({ ifname }) => ifname);
}

/** Names of all bridges of the host, in the order in which they were made. @throws ERR_IO */
export async function bridgeNames(): Promise<string[]> {
  return (await askIp<Link>(['link', 'show', 'type', 'bridge'])).map(({ ifname }) => ifname);
}

interface Link {
  readonly ifname: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** @throws ERR_CONFIG when an interface has a route to a part of this network */
async function checkFree(cidr: Cidr): Promise<void> {
  for (const { name, network } of parseRoutes(await readFile(ROUTES, 'latin1'))) {
    // The default route leads everywhere.
    if (network.prefix === 0 || !overlap(cidr, network)) continue;
    throw new G8Error(
      'ERR_CONFIG',
      `Network ${formatNetwork(cidr)} is in use by ${name}; choose another one`,
      { details: { network: formatNetwork(cidr), interface: name } },
    );
  }
}

/** Lines of /proc/net/route: addresses are hexadecimal in the byte order of the machine. */
export function parseRoutes(text: string): { name: string; network: Cidr }[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name, destination, , , , , , mask] = line.split(/\s+/);
      if (name === undefined || destination === undefined || mask === undefined) return [];
      const bits = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
      const network = parseCidr(`${dotted(destination)}/${bits}`);
      return network === undefined ? [] : [{ name, network }];
    });
}

function dotted(hex: string): string {
  return [...Buffer.from(hex, 'hex')].reverse().join('.');
}

/** Locally administered, of no vendor. */
function hardwareAddress(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 5);
  return ['02', ...[...bytes].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
