/** Nics as clients of the protocol write them. Pure. */
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';
import { checkNic, checkNics, NIC_TYPES, type Nic } from './nic.ts';
import type { NetworkSettings } from './settings.ts';

const DNS_MAX = 16;

const text = z.string().nullish();
const nicSchema = z.object({
  type: z.string(),
  id: text,
  name: text,
  hwaddr: text,
  monitor: z.boolean().nullish(),
  config: z
    .object({
      dhcp: z.boolean().nullish(),
      cidr: text,
      gateway: text,
      dns: z.array(z.string()).max(DNS_MAX).nullish(),
    })
    .nullish(),
});

/**
 * Checks one nic by itself.
 *
 * @throws ERR_PROTOCOL when its shape is wrong, ERR_USAGE when its values are
 */
export function parseNic(value: unknown): Nic {
  const nic = shapeOf(value);
  checkNic(nic);
  return nic;
}

/**
 * Checks nics together: one default nic, each bridge or parent and each name once.
 *
 * @throws as {@link parseNic}
 */
export function parseNics(value: unknown, settings: Pick<NetworkSettings, 'bridge'>): Nic[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new G8Error('ERR_PROTOCOL', 'Nics are not a list');
  const nics = value.map(shapeOf);
  checkNics(nics, settings);
  return nics;
}

function shapeOf(value: unknown): Nic {
  const parsed = nicSchema.safeParse(value);
  if (!parsed.success) throw new G8Error('ERR_PROTOCOL', 'A nic does not have the expected shape');
  const { type, id, name, hwaddr, monitor, config } = parsed.data;
  const known = NIC_TYPES.find((each) => each === type);
  if (known === undefined) throw new G8Error('ERR_USAGE', `Nic type '${type}' is not supported`);
  return {
    type: known,
    id: id ?? '',
    name: name ?? '',
    hwaddr: hwaddr ?? '',
    monitor: monitor ?? false,
    config: {
      dhcp: config?.dhcp ?? false,
      cidr: config?.cidr ?? '',
      gateway: config?.gateway ?? '',
      dns: config?.dns ?? null,
    },
  };
}
