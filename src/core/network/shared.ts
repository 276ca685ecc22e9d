/**
 * What containers share on the host: the default bridge, its name server, the firewall's table and the
 * kernel's forwarding. `settle` makes all of it as the record wants it, in both directions, and can be called
 * again at any time. Runs under the lock of the record.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from '../../fs/log.ts';
import { type Cidr, formatNetwork, parseCidr } from './addresses.ts';
import { bridgePorts, checkBridge, createBridge, removeBridge } from './bridge.ts';
import {
  applyRuleset,
  formatRuleset,
  isEmptyRuleset,
  type Ruleset,
  removeTable,
} from './firewall.ts';
import { parseForwardKey } from './forward.ts';
import { interfaceNames } from './interfaces.ts';
import { letLoopbackPass, switchForwardingOff, switchForwardingOn } from './ip-forwarding.ts';
import {
  isNameServerAlive,
  type NameServerRequest,
  startNameServer,
  stopNameServer,
} from './name-server.ts';
import type { NetworkRecord } from './record.ts';
import type { NetworkSettings } from './settings.ts';

export interface SettleOptions {
  /** Leaves the default bridge and its name server where they are, though nobody uses them. */
  readonly keepBridge: boolean;
  /** Tells the firewall everything anew, in case somebody else has changed it. */
  readonly repair?: boolean;
}

/** @throws ERR_CONFIG, ERR_IO, ERR_PERMISSION, ERR_TIMEOUT */
export async function settle(
  record: NetworkRecord,
  settings: NetworkSettings,
  log: Logger,
  options: SettleOptions,
): Promise<void> {
  const isUsed = Object.values(record.containers).some(({ address }) => address !== null);
  const wanted = rulesetOf(record, settings, isUsed || (options.keepBridge && record.ownsBridge));
  const results = await Promise.allSettled([
    isUsed ? ensureBridge(record, settings) : dropBridge(record, settings, options),
    settleFirewall(record, settings, wanted, options.repair === true),
    settleForwarding(record, log, wanted),
  ]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * Starts the name server of a bridge unless it runs.
 *
 * @returns whether there is one
 */
export async function ensureNameServer(
  record: NetworkRecord,
  request: Omit<NameServerRequest, 'logFile'>,
  settings: NetworkSettings,
): Promise<boolean> {
  const known = record.servers[request.bridge];
  if (known !== undefined && (await isNameServerAlive(known))) return true;
  const logFile = join(settings.stateDir, `dns-${request.bridge}.log`);
  const started = await startNameServer({ ...request, logFile });
  if (started === undefined) return false;
  record.servers[request.bridge] = started;
  return true;
}

export async function dropNameServer(record: NetworkRecord, bridge: string): Promise<void> {
  const known = record.servers[bridge];
  if (known === undefined) return;
  await stopNameServer(known);
  delete record.servers[bridge];
}

/** The default bridge's own address and network. */
export function defaultNetwork({ address }: NetworkSettings): Cidr {
  return parseCidr(address) as Cidr;
}

async function ensureBridge(record: NetworkRecord, settings: NetworkSettings): Promise<void> {
  const { bridge: name, address } = settings;
  if ((await interfaceNames()).has(name)) {
    if (!record.ownsBridge) await checkBridge(name, address);
    return;
  }
  await createBridge({ name, cidr: address });
  record.ownsBridge = true;
  await letLoopbackPass(name);
}

async function dropBridge(
  record: NetworkRecord,
  { bridge }: NetworkSettings,
  { keepBridge }: SettleOptions,
): Promise<void> {
  if (keepBridge) return;
  await dropNameServer(record, bridge);
  if (!record.ownsBridge) return;
  // Somebody may have put something else on it.
  if ((await interfaceNames()).has(bridge) && (await bridgePorts(bridge)).length > 0) return;
  await removeBridge(bridge);
  record.ownsBridge = false;
}

async function settleFirewall(
  record: NetworkRecord,
  { table }: NetworkSettings,
  wanted: Ruleset,
  repair: boolean,
): Promise<void> {
  if (isEmptyRuleset(wanted)) {
    if (record.firewall !== '') await removeTable(table);
    record.firewall = '';
    return;
  }
  const digest = createHash('sha256').update(formatRuleset(table, wanted)).digest('base64');
  if (digest === record.firewall && !repair) return;
  await applyRuleset(table, wanted);
  record.firewall = digest;
}

async function settleForwarding(
  record: NetworkRecord,
  log: Logger,
  wanted: Ruleset,
): Promise<void> {
  const isNeeded = wanted.networks.some(({ nat }) => nat);
  if (isNeeded && (await switchForwardingOn())) {
    record.ownsForwarding = true;
    log.info({}, 'IPv4 forwarding switched on: containers need it');
  }
  if (isNeeded || !record.ownsForwarding) return;
  await switchForwardingOff();
  record.ownsForwarding = false;
  log.info({}, 'IPv4 forwarding switched off again');
}

function rulesetOf(record: NetworkRecord, settings: NetworkSettings, hasDefault: boolean): Ruleset {
  const network = formatNetwork(defaultNetwork(settings));
  const own = { bridge: settings.bridge, network, nat: true, loopback: true };
  const others = Object.entries(record.bridges).map(([bridge, { cidr, nat }]) => {
    const parsed = parseCidr(cidr);
    return parsed === undefined
      ? { bridge, nat: false }
      : { bridge, network: formatNetwork(parsed), nat };
  });
  const forwards = Object.values(record.containers).flatMap(({ address, forwards }) =>
    address === null
      ? []
      : forwards.flatMap(({ key, port: addressPort }) => {
          const { port, protocols, source } = parseForwardKey(key);
          return protocols.map((protocol) => ({
            ...{ protocol, port, address, addressPort },
            ...(source !== undefined && { source }),
          }));
        }),
  );
  return { networks: hasDefault ? [own, ...others] : others, forwards };
}
