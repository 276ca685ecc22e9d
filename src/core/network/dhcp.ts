/**
 * Asks for a lease inside a container's network namespace, with whatever client the host has. The client only
 * reports what it was given, by a script of ours; the host's own scripts would write the host's resolv.conf.
 */
import { rename, writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { delimiter, join } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { findProgram } from '../../base/find-program.ts';
import { runProgram } from './run-program.ts';

const TIMEOUT_MS = 60_000;
const DNS_MAX = 3;

/** Both clients name what they were given in their environment, each in its own words. */
const SCRIPT = `#!/bin/sh
case "\${1:-$reason}" in
  bound | renew | BOUND | RENEW | REBOOT) ;;
  *) exit 0 ;;
esac
echo "address=\${ip:-$new_ip_address}"
echo "mask=\${subnet:-$new_subnet_mask}"
echo "gateway=\${router:-$new_routers}"
echo "dns=\${dns:-$new_domain_name_servers}"
`;

export interface Lease {
  /** `10.1.0.7/24` */
  readonly cidr: string;
  /** Empty when there is none. */
  readonly gateway: string;
  readonly dns: readonly string[];
}

export interface LeaseRequest {
  /** Path of the network namespace. */
  readonly netnsPath: string;
  readonly interface: string;
  /** Where the script is put. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * @throws ERR_CONFIG when the host has no client, ERR_TIMEOUT when nobody answers, ERR_IO, ERR_ABORTED
 */
export async function requestLease(request: LeaseRequest): Promise<Lease> {
  const script = join(request.folder, 'dhcp-report');
  const draft = `${script}.${process.pid}`;
  await writeFile(draft, SCRIPT, { mode: 0o700 });
  await rename(draft, script);
  const [program, ...args] = await clientCommand(request.interface, script);
  const text = await runProgram('nsenter', [`--net=${request.netnsPath}`, '--', program, ...args], {
    purpose: 'to ask for a lease',
    timeoutMs: TIMEOUT_MS,
    signal: request.signal,
  });
  const lease = parseLease(text);
  if (lease !== undefined) return lease;
  throw new G8Error('ERR_TIMEOUT', `Nobody gives a lease to ${request.interface}`);
}

/** What the script has printed. */
export function parseLease(text: string): Lease | undefined {
  const values = new Map(
    text.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1).trim()] as const;
    }),
  );
  const address = values.get('address') ?? '';
  const prefix = prefixOf(values.get('mask') ?? '');
  if (!isIPv4(address) || prefix === undefined) return undefined;
  const [gateway = ''] = (values.get('gateway') ?? '').split(/\s+/);
  const dns = (values.get('dns') ?? '').split(/[\s,]+/).filter((server) => isIPv4(server));
  return {
    cidr: `${address}/${prefix}`,
    gateway: isIPv4(gateway) ? gateway : '',
    dns: dns.slice(0, DNS_MAX),
  };
}

async function clientCommand(device: string, script: string): Promise<[string, ...string[]]> {
  const once = ['-f', '-n', '-q', '-t', '8', '-T', '2', '-i', device, '-s', script];
  if (await isInstalled('udhcpc')) return ['udhcpc', ...once];
  if (await isInstalled('dhclient')) {
    return ['dhclient', '-1', '-d', '-sf', script, '-lf', '/dev/null', '-pf', '/dev/null', device];
  }
  if (await isInstalled('busybox')) return ['busybox', 'udhcpc', ...once];
  throw new G8Error('ERR_CONFIG', 'No DHCP client is installed: udhcpc or dhclient');
}

async function isInstalled(program: string): Promise<boolean> {
  return (await findProgram(program, (process.env['PATH'] ?? '').split(delimiter))) !== undefined;
}

/** Bits of `255.255.255.0`; `undefined` when it is no mask. */
function prefixOf(mask: string): number | undefined {
  if (!isIPv4(mask)) return undefined;
  const bits = mask.split('.').map((part) => Number(part).toString(2).padStart(8, '0'));
  return /^(1*)0*$/.exec(bits.join(''))?.[1]?.length;
}
