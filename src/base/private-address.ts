/** Addresses that mean this machine, a network around it, or nothing on the Internet. Pure. */
import { BlockList, isIP } from 'node:net';

/** @see the special-purpose address registries of IANA (RFC 6890) */
const NETWORKS: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
  ['::', 128],
  ['::1', 128],
  // What a translator makes IPv4 of, which may be any of the above.
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['100::', 64],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];
const PRIVATE = new BlockList();
for (const [network, prefix] of NETWORKS) {
  PRIVATE.addSubnet(network, prefix, familyOf(network));
}

/** @param address IPv4 or IPv6, no name and without brackets; what is neither is private */
export function isPrivateAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  // An IPv4 address in the form of IPv6 is looked up as such by the list itself.
  return isIP(bare) === 0 || PRIVATE.check(bare, familyOf(bare));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
