/** What a container is asked to have as network interfaces, checked; names and steps of `ip`. Pure. */
import { isIPv4 } from 'node:net';
import { G8Error } from '../../base/errors.ts';
import { parseCidr } from './addresses.ts';
import { isInterfaceName, type NetworkSettings } from './settings.ts';

/** Kinds of nics that are made here. The protocol knows more; they need programs that no distribution has. */
export const NIC_TYPES = ['default', 'bridge', 'macvlan'] as const;
const NICS_MAX = 32;

/** What has become of a nic. */
export type NicState = 'unknown' | 'configured' | 'error' | 'destroyed';

/** One nic as the protocol has it; absent texts are empty. */
export interface Nic {
  readonly type: (typeof NIC_TYPES)[number];
  /** Bridge, or parent of a macvlan. */
  readonly id: string;
  /** Name inside; empty: `eth<index>`. */
  readonly name: string;
  readonly hwaddr: string;
  readonly config: NicConfig;
  /** Only changes the name on the host. */
  readonly monitor: boolean;
}

export interface NicConfig {
  readonly dhcp: boolean;
  readonly cidr: string;
  readonly gateway: string;
  readonly dns: readonly string[] | null;
}

/**
 * Checks nics by themselves and together: one default nic, each bridge or parent and each name once.
 *
 * @throws ERR_USAGE
 */
export function checkNics(nics: readonly Nic[], settings: Pick<NetworkSettings, 'bridge'>): void {
  if (nics.length > NICS_MAX) refuse(`A container has at most ${NICS_MAX} nics`);
  for (const [index, nic] of nics.entries()) {
    checkNic(nic);
    checkBeside(nic, nics.slice(0, index), settings);
  }
}

/** Checks one nic by itself. @throws ERR_USAGE */
export function checkNic(nic: Nic): void {
  checkName(nic.name);
  // What a default nic says of its address is ignored, wherever it came from.
  if (nic.type !== 'default') checkPlace(nic);
}

/** Checks one more nic against those that a container has. @throws ERR_USAGE */
export function checkBeside(
  nic: Nic,
  others: readonly Nic[],
  settings: Pick<NetworkSettings, 'bridge'>,
): void {
  if (nic.type === 'bridge' && nic.id === settings.bridge) {
    refuse(`Bridge ${nic.id} is for default nics`);
  }
  for (const other of others) {
    if (nic.type === 'default' && other.type === 'default') refuse('Only one nic can be default');
    if (nic.type === other.type && nic.id === other.id && nic.type !== 'default') {
      refuse(`Two nics cannot both be on ${nic.id}`);
    }
    if (nic.name !== '' && nic.name === other.name) refuse(`Two nics cannot be named ${nic.name}`);
  }
}

/** Name of a nic inside its container. */
export function nameInside(nic: Nic, index: number): string {
  return nic.name || `eth${index}`;
}

/** Name of the host's side of a nic. */
export function nameOutside(
  nic: Nic,
  index: number,
  container: number,
  { interfacePrefix }: Pick<NetworkSettings, 'interfacePrefix'>,
): string {
  return `${interfacePrefix}${nic.monitor ? 'm' : ''}${container}-${index}`;
}

/** Whether an interface of the host belongs to this container. */
export function belongsTo(
  name: string,
  container: number,
  { interfacePrefix }: Pick<NetworkSettings, 'interfacePrefix'>,
): boolean {
  return ['', 'm'].some((monitor) => {
    const start = `${interfacePrefix}${monitor}${container}-`;
    return name.startsWith(start) && /^\d+$/.test(name.slice(start.length));
  });
}

/** Step that makes a nic, with its inner side already where it belongs. */
export function creationStep(
  nic: Nic,
  names: { readonly inside: string; readonly outside: string; readonly namespace: string },
  bridge: string,
): string[] {
  const { inside, outside, namespace } = names;
  const address = nic.hwaddr === '' || nic.type === 'default' ? [] : ['address', nic.hwaddr];
  if (nic.type === 'macvlan') {
    const link = ['link', 'add', 'link', nic.id, 'name', inside, ...address, 'netns', namespace];
    return [...link, 'type', 'macvlan', 'mode', 'bridge'];
  }
  const master = nic.type === 'default' ? bridge : nic.id;
  const host = ['link', 'add', outside, 'master', master, 'up', 'type', 'veth'];
  return [...host, 'peer', 'name', inside, ...address, 'netns', namespace];
}

/**
 * Steps that configure a nic inside; they can be done again. Without an address the link stays down.
 *
 * @param config of a default nic: with the address that the network gave it
 */
export function configurationSteps(inside: string, config: NicConfig): string[][] {
  const { cidr, gateway } = config;
  if (cidr === '') return [];
  return [
    ['addr', 'replace', cidr, 'dev', inside],
    ['link', 'set', inside, 'up'],
    ...(gateway === ''
      ? []
      : [['route', 'replace', 'default', 'via', gateway, 'dev', inside, 'metric', '1000']]),
  ];
}

function checkName(name: string): void {
  if (name === '') return;
  if (!isInterfaceName(name)) refuse(`Nic name '${name}' is not an interface's name`);
  if (name === 'default' || name === 'lo' || /^(?:eth|zt)/.test(name)) {
    refuse(`Nic name '${name}' is reserved`);
  }
}

function checkPlace({ type, id, hwaddr, config }: Nic): void {
  if (!isInterfaceName(id))
    refuse(`A nic of type ${type} needs the name of an interface as its id`);
  if (hwaddr !== '' && !isHardwareAddress(hwaddr)) {
    refuse(`Hardware address '${hwaddr}' is not valid`);
  }
  if (config.cidr !== '' && parseCidr(config.cidr) === undefined) {
    refuse(`Address '${config.cidr}' is not of the form 10.0.0.2/24`);
  }
  if (config.gateway !== '' && !isIPv4(config.gateway)) {
    refuse(`Gateway '${config.gateway}' is not an IPv4 address`);
  }
  const server = config.dns?.find((address) => !isIPv4(address));
  if (server !== undefined) refuse(`Name server '${server}' is not an IPv4 address`);
}

/** A single interface's address: neither a group's nor all zeros. */
export function isHardwareAddress(address: string): boolean {
  return /^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/i.test(address) && !/^[0:]+$/.test(address);
}

function refuse(message: string): never {
  throw new G8Error('ERR_USAGE', message);
}
