/** IPv4 addresses as numbers, networks, and which address a container has. Pure. */
import { isIPv4 } from 'node:net';
import { G8Error } from '../../base/errors.ts';

/** An address together with the network it is in. */
export interface Cidr {
  readonly address: string;
  /** 0 to 32. */
  readonly prefix: number;
  /** First address of the network. */
  readonly network: string;
}

/** @returns `undefined` when the text is not `a.b.c.d/n` */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', digits = '', ...rest] = text.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(digits) || rest.length > 0) return undefined;
  const prefix = Number(digits);
  if (prefix > 32) return undefined;
  return { address, prefix, network: textOf(floor(numberOf(address), prefix)) };
}

/** `172.18.0.0/16` */
export function formatNetwork({ network, prefix }: Cidr): string {
  return `${network}/${prefix}`;
}

/** Whether two networks have an address in common. */
export function overlap(a: Cidr, b: Cidr): boolean {
  const prefix = Math.min(a.prefix, b.prefix);
  return floor(numberOf(a.network), prefix) === floor(numberOf(b.network), prefix);
}

/** Whether an address lies in a network. */
export function contains(network: Cidr, address: string): boolean {
  return floor(numberOf(address), network.prefix) === numberOf(network.network);
}

/**
 * Address of a container on the default bridge: its id plus one, counted from the network's first address,
 * so that container 1 of 172.18.0.0/16 has 172.18.0.2.
 *
 * @throws ERR_CONFIG when the network is too small for this id
 */
export function containerAddress(bridge: Cidr, id: number): string {
  const first = numberOf(bridge.network);
  const last = first + 2 ** (32 - bridge.prefix) - 1;
  const address = first + id + 1;
  if (address >= last || address === numberOf(bridge.address)) {
    throw new G8Error(
      'ERR_CONFIG',
      `Network ${formatNetwork(bridge)} has no address for container ${id}`,
    );
  }
  return textOf(address);
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

function floor(number: number, prefix: number): number {
  const size = 2 ** (32 - prefix);
  return Math.floor(number / size) * size;
}
