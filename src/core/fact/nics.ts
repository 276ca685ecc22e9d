/** Network interfaces, as `ip -json address` tells them. Pure. */
import { z } from 'zod';

export interface NicFacts {
  readonly mtu: number;
  readonly name: string;
  /** Empty for loopback. */
  readonly hardwareaddr: string;
  readonly flags: readonly string[];
  readonly addrs: readonly { readonly addr: string }[];
  /** Mbit/s; 0 when the interface has none. */
  readonly speed: number;
  readonly carrier: boolean;
  readonly operstate: string;
}

const LINKS = z.array(
  z.object({
    ifindex: z.number(),
    ifname: z.string(),
    mtu: z.number(),
    flags: z.array(z.string()).default([]),
    operstate: z.string().default('UNKNOWN'),
    link_type: z.string().default(''),
    address: z.string().default(''),
    addr_info: z
      .array(z.object({ local: z.string().optional(), prefixlen: z.number().optional() }))
      .default([]),
  }),
);

/** Flags as the protocol spells them. */
const FLAGS: Readonly<Record<string, string>> = {
  UP: 'up',
  BROADCAST: 'broadcast',
  LOOPBACK: 'loopback',
  POINTOPOINT: 'pointtopoint',
  MULTICAST: 'multicast',
};

/**
 * @param output of `ip -json address`
 * @param speeds Mbit/s by name, where the kernel knows it
 * @returns in the order of their index
 */
export function parseNics(output: string, speeds: ReadonlyMap<string, number>): NicFacts[] {
  return LINKS.parse(JSON.parse(output || '[]'))
    .sort((one, other) => one.ifindex - other.ifindex)
    .map((link) => ({
      mtu: link.mtu,
      name: link.ifname,
      hardwareaddr: link.link_type === 'ether' ? link.address : '',
      flags: Object.keys(FLAGS)
        .filter((name) => link.flags.includes(name))
        .map((name) => FLAGS[name] as string),
      addrs: link.addr_info.flatMap(({ local, prefixlen }) =>
        local === undefined ? [] : [{ addr: `${local}/${prefixlen ?? 0}` }],
      ),
      speed: speeds.get(link.ifname) ?? 0,
      carrier: link.flags.includes('LOWER_UP'),
      operstate: link.operstate.toLowerCase(),
    }));
}
