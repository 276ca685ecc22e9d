/** What the network of containers is called and which addresses it has. Several may stand side by side. */
import { G8Error } from '../../base/errors.ts';
import { parseCidr } from './addresses.ts';

export interface NetworkSettings {
  /** Folder of the record of what was set up; made when it is not there. */
  readonly stateDir: string;
  /** Bridge of default nics. */
  readonly bridge: string;
  /** Address of that bridge with the length of its prefix: `172.18.0.1/16`. */
  readonly address: string;
  /** Name of the own nftables table, of the family inet. */
  readonly table: string;
  /** Begins the host side of each nic: `cont` for `cont5-0`. */
  readonly interfacePrefix: string;
  /** Begins the name of each network namespace: `g8ufs-` for `g8ufs-5`. */
  readonly namespacePrefix: string;
}

/** All but the folder. */
export const NETWORK_DEFAULTS = {
  bridge: 'core0',
  address: '172.18.0.1/16',
  table: 'g8ufs',
  interfacePrefix: 'cont',
  namespacePrefix: 'g8ufs-',
} as const satisfies Omit<NetworkSettings, 'stateDir'>;

/** `contm65534-99` has to fit into the 15 bytes of an interface's name. */
const INTERFACE_PREFIX = /^[a-z][a-z0-9]{0,5}$/;
const NAMESPACE_PREFIX = /^[a-z][a-z0-9-]{0,31}$/;
const TABLE = /^[a-z][a-z0-9_]{0,31}$/;
const INTERFACE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;

/**
 * Whether a text can be the name of a network interface. Stricter than the kernel, which only refuses `/`,
 * white space and more than 15 bytes: these names stand in rules and command lines.
 */
export function isInterfaceName(text: string): boolean {
  return INTERFACE.test(text);
}

/** @throws ERR_CONFIG naming the setting that is wrong */
export function checkNetworkSettings(settings: NetworkSettings): NetworkSettings {
  const check = (name: string, value: string, isSound: boolean): void => {
    if (!isSound) throw new G8Error('ERR_CONFIG', `Network setting ${name} cannot be ${value}`);
  };
  check('bridge', settings.bridge, isInterfaceName(settings.bridge));
  check('address', settings.address, parseCidr(settings.address) !== undefined);
  check('table', settings.table, TABLE.test(settings.table));
  check(
    'interfacePrefix',
    settings.interfacePrefix,
    INTERFACE_PREFIX.test(settings.interfacePrefix),
  );
  check(
    'namespacePrefix',
    settings.namespacePrefix,
    NAMESPACE_PREFIX.test(settings.namespacePrefix),
  );
  return settings;
}
