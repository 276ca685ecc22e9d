/**
 * The own nftables table, of the family inet: masquerading, port forwards, and what keeps networks of
 * containers apart. It is a function of what is set up and replaced as a whole in one transaction, so that it
 * is never half there; other tables are neither read nor touched. What another table drops stays dropped.
 */
import type { ForwardSource, Protocol } from './forward.ts';
import { runProgram } from './run-program.ts';

const PURPOSE = 'for port forwards and the network of containers';

/** A bridge with containers. */
export interface FirewallNetwork {
  readonly bridge: string;
  /** `172.18.0.0/16`; absent: only kept apart from the others. */
  readonly network?: string;
  /** Its containers reach the world under the host's address; the world reaches them by forwards only. */
  readonly nat: boolean;
  /** Connections from the host's own loopback addresses are forwarded, too. */
  readonly loopback?: boolean;
}

export interface FirewallForward {
  readonly protocol: Protocol;
  readonly port: number;
  readonly source?: ForwardSource;
  readonly address: string;
  readonly addressPort: number;
}

export interface Ruleset {
  readonly networks: readonly FirewallNetwork[];
  readonly forwards: readonly FirewallForward[];
}

/** Whether nothing has to be there. */
export function isEmptyRuleset({ networks, forwards }: Ruleset): boolean {
  return networks.length === 0 && forwards.length === 0;
}

/** Puts a ruleset in the place of whatever the table holds. @throws ERR_IO, ERR_CONFIG, ERR_TIMEOUT */
export async function applyRuleset(table: string, ruleset: Ruleset): Promise<void> {
  await runNft(formatRuleset(table, ruleset));
}

/** Takes the table away, if it is there. @throws ERR_IO, ERR_CONFIG, ERR_TIMEOUT */
export async function removeTable(table: string): Promise<void> {
  await runNft(withoutTable(table));
}

async function runNft(input: string): Promise<void> {
  await runProgram('nft', ['-f', '-'], { input, purpose: PURPOSE });
}

// Deleting needs the table to be there, and adding it does nothing when it is.
function withoutTable(table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`;
}

/** The transaction as nft reads it. */
export function formatRuleset(table: string, { networks, forwards }: Ruleset): string {
  const anywhere = forwards.filter(({ source }) => source === undefined);
  const elements = anywhere.map(
    ({ protocol, port, address, addressPort }) =>
      `${protocol} . ${port} : ${address} . ${addressPort}`,
  );
  const restricted = forwards.flatMap((forward) => restrictedRule(forward) ?? []);
  const toForward = 'fib daddr type local dnat ip to meta l4proto . th dport map @forwards';
  const nat = networks.filter((network) => network.nat);
  const loopback = nat.filter((network) => network.loopback);
  return [
    withoutTable(table).trimEnd(),
    `table inet ${table} {`,
    '  map forwards {',
    '    type inet_proto . inet_service : ipv4_addr . inet_service',
    ...(elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]),
    '  }',
    ...chain('guard', 'filter hook prerouting priority raw', [
      // The bridges let loopback addresses pass, for forwards; containers must not use that.
      ...loopback.map(({ bridge }) => `iifname "${bridge}" ip daddr 127.0.0.0/8 drop`),
    ]),
    ...chain('arriving', 'nat hook prerouting priority dstnat', [...restricted, toForward]),
    ...chain('local', 'nat hook output priority -100', [toForward]),
    ...chain('forward', 'filter hook forward priority filter', [
      'ct state established,related accept',
      'ct status dnat accept',
      ...networks.flatMap(({ bridge }) => keptApart(bridge, networks)),
      ...nat.map(({ bridge }) => `oifname "${bridge}" iifname != "${bridge}" drop`),
    ]),
    ...chain('leaving', 'nat hook postrouting priority srcnat', [
      ...loopback.map(({ bridge }) => `ip saddr 127.0.0.0/8 oifname "${bridge}" masquerade`),
      ...nat.flatMap(({ bridge, network }) => [
        // A container that takes the way over the host to its neighbour gets its answers on the same way.
        `ip saddr ${network} oifname "${bridge}" ct status dnat masquerade`,
        `ip saddr ${network} oifname != "${bridge}" masquerade`,
      ]),
    ]),
    '}',
    '',
  ].join('\n');
}

function chain(name: string, hook: string, rules: readonly string[]): string[] {
  if (rules.length === 0) return [];
  return [
    `  chain ${name} {`,
    `    type ${hook}; policy accept;`,
    ...rules.map((rule) => `    ${rule}`),
    '  }',
  ];
}

function keptApart(bridge: string, networks: readonly FirewallNetwork[]): string[] {
  const others = networks.filter((other) => other.bridge !== bridge);
  if (others.length === 0) return [];
  const names = others.map((other) => `"${other.bridge}"`).join(', ');
  return [`iifname "${bridge}" oifname { ${names} } drop`];
}

function restrictedRule(forward: FirewallForward): string[] | undefined {
  const { source, protocol, port, address, addressPort } = forward;
  if (source === undefined) return undefined;
  const from =
    'network' in source ? `ip saddr ${source.network}` : `iifname "${source.interfaces}"`;
  return [
    `fib daddr type local ${from} ${protocol} dport ${port} dnat ip to ${address}:${addressPort}`,
  ];
}
