/** Listening sockets, as /proc/net tells them. Pure. */

export interface PortFacts {
  readonly network: 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix';
  readonly port?: number;
  readonly ip?: string;
  readonly unix?: string;
  readonly pid: number;
}

interface Socket {
  readonly facts: Omit<PortFacts, 'pid'>;
  readonly inode: string;
}

/** In the order of the answer. */
export const PORT_NETWORKS = ['tcp', 'tcp6', 'udp', 'udp6', 'unix'] as const;

const TCP_LISTEN = '0A';
/** A datagram socket that is bound and connected to nobody. */
const UDP_OPEN = '07';
/** `__SO_ACCEPTCON` of the kernel's socket flags. */
const UNIX_LISTEN = '00010000';

/**
 * @param tables texts of /proc/net/tcp and so on, in the order of {@link PORT_NETWORKS}
 * @param owners process ids by the inode of a socket
 */
export function parsePorts(
  tables: readonly (string | undefined)[],
  owners: ReadonlyMap<string, number>,
): PortFacts[] {
  return PORT_NETWORKS.flatMap((network, index) => {
    const lines = (tables[index] ?? '').split('\n').slice(1);
    const sockets = lines.map((line) =>
      network === 'unix' ? unixSocket(line) : internetSocket(network, line),
    );
    return sockets
      .filter((socket) => socket !== undefined)
      .map(({ facts, inode }) => ({ ...facts, pid: owners.get(inode) ?? 0 }));
  });
}

function internetSocket(network: PortFacts['network'], line: string): Socket | undefined {
  const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
  const isOpen = state === (network.startsWith('tcp') ? TCP_LISTEN : UDP_OPEN);
  const [address = '', port = ''] = local.split(':');
  if (!isOpen || port === '') return undefined;
  const ip = formatAddress(address);
  const number = Number.parseInt(port, 16);
  return {
    facts: { network, ...(number > 0 && { port: number }), ...(ip !== '' && { ip }) },
    inode,
  };
}

function unixSocket(line: string): Socket | undefined {
  const [, , , flags, , , inode = '', ...path] = line.trim().split(/\s+/);
  if (flags !== UNIX_LISTEN) return undefined;
  const unix = path.join(' ');
  return { facts: { network: 'unix', ...(unix !== '' && { unix }) }, inode };
}

/** The kernel prints addresses as 32-bit words in the order of the machine, little-endian here. */
function formatAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  // The URL parser knows the one short form of an address.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
