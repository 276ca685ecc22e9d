/** A container in the record of networks: finding it, and what has to hold of its parts. Pure. */
import { G8Error } from '../../base/errors.ts';
import { checkPort, parseForwardKey } from './forward.ts';
import type { PlacedNic } from './namespace.ts';
import type { Nic } from './nic.ts';
import type { ContainerRecord, NetworkRecord, NicRecord } from './record.ts';

const CONTAINER_ID_MAX = 65_534;

/** @throws RangeError */
export function checkId(container: number): void {
  if (Number.isInteger(container) && container > 0 && container <= CONTAINER_ID_MAX) return;
  throw new RangeError(`${container} is no container's id`);
}

/** @throws ERR_NO_INPUT */
export function findEntry(record: NetworkRecord, container: number): ContainerRecord {
  const known = record.containers[container];
  if (known !== undefined) return known;
  throw new G8Error('ERR_NO_INPUT', `Container ${container} has no network of its own`);
}

/** Each host port once on this host, by protocol. @throws ERR_USAGE */
export function checkForward(
  record: NetworkRecord,
  key: string,
  port: number,
  besides?: ContainerRecord,
): void {
  checkPort(port);
  const wanted = parseForwardKey(key);
  const all = [...Object.values(record.containers), ...(besides === undefined ? [] : [besides])];
  for (const other of all.flatMap(({ forwards }) => forwards)) {
    const taken = parseForwardKey(other.key);
    const isSame = taken.protocols.some((protocol) => wanted.protocols.includes(protocol));
    if (taken.port === wanted.port && isSame) {
      throw new G8Error('ERR_USAGE', `Host port ${wanted.port} is already forwarded`);
    }
  }
}

export function isLive({ state }: NicRecord): boolean {
  return state !== 'destroyed';
}

export function addressOf({ config }: PlacedNic): string {
  return config.cidr.slice(0, config.cidr.indexOf('/'));
}

/** The record's own copy. */
export function copyOf(nic: Nic): Nic & { config: { dns: string[] | null } } {
  const { dns } = nic.config;
  return { ...nic, config: { ...nic.config, dns: dns === null ? null : [...dns] } };
}
