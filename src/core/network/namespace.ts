/**
 * Network namespaces by name (ip-netns(8)) with the nics of one container in them. What is made here is known
 * by its name alone, so that it can be taken away without any record.
 */
import { existsSync } from 'node:fs';
import { interfaceNames } from './interfaces.ts';
import {
  belongsTo,
  configurationSteps,
  creationStep,
  type Nic,
  type NicConfig,
  nameInside,
  nameOutside,
} from './nic.ts';
import { changeIp } from './run-ip.ts';
import type { NetworkSettings } from './settings.ts';

const FOLDER = '/run/netns';

/** A nic with its place in the container's list, and with the address that it is to have. */
export interface PlacedNic {
  readonly index: number;
  readonly nic: Nic;
  readonly config: NicConfig;
}

export function namespaceName(container: number, settings: NetworkSettings): string {
  return `${settings.namespacePrefix}${container}`;
}

export function namespacePath(container: number, settings: NetworkSettings): string {
  return `${FOLDER}/${namespaceName(container, settings)}`;
}

/** Makes the namespace with the nics in it, not configured. @throws ERR_IO */
export async function createNamespace(
  container: number,
  nics: readonly PlacedNic[],
  settings: NetworkSettings,
): Promise<void> {
  const namespace = namespaceName(container, settings);
  const steps = nics.map((placed) => stepFor(container, placed, settings));
  await changeIp([['netns', 'add', namespace], ...steps]);
}

/** Adds a nic to a namespace that is there, not configured. @throws ERR_IO */
export async function createNic(
  container: number,
  placed: PlacedNic,
  settings: NetworkSettings,
): Promise<void> {
  await changeIp([stepFor(container, placed, settings)]);
}

/**
 * Configures nics; without dhcp, whose answer comes later.
 *
 * @returns reasons by index of the nics that could not be
 */
export async function configureNics(
  container: number,
  nics: readonly PlacedNic[],
  settings: NetworkSettings,
): Promise<Map<number, unknown>> {
  const namespace = namespaceName(container, settings);
  const failures = new Map<number, unknown>();
  const loopback = ['link', 'set', 'lo', 'up'];
  const stepsOf = ({ index, nic, config }: PlacedNic): string[][] => {
    const inside = nameInside(nic, index);
    return config.dhcp ? [['link', 'set', inside, 'up']] : configurationSteps(inside, config);
  };
  try {
    await changeIp([loopback, ...nics.flatMap(stepsOf)], { namespace });
  } catch (error) {
    if (nics.length === 0) throw error;
    // One by one, to know which.
    for (const placed of nics) {
      await changeIp([loopback, ...stepsOf(placed)], { namespace }).catch((reason: unknown) =>
        failures.set(placed.index, reason),
      );
    }
  }
  return failures;
}

/** Takes one nic away; nothing happens when it is not there. @throws ERR_IO */
export async function removeNic(
  container: number,
  { nic, index }: Pick<PlacedNic, 'nic' | 'index'>,
  settings: NetworkSettings,
): Promise<void> {
  if (nic.type === 'macvlan') {
    if (!existsSync(namespacePath(container, settings))) return;
    const namespace = namespaceName(container, settings);
    await changeIp([['link', 'del', nameInside(nic, index)]], { namespace });
    return;
  }
  const outside = nameOutside(nic, index, container, settings);
  if ((await interfaceNames()).has(outside)) await changeIp([['link', 'del', outside]]);
}

/**
 * Takes the namespace and every interface of the container away. Interfaces first: the kernel takes its time
 * with those of a namespace that has ended.
 *
 * @throws ERR_IO
 */
export async function removeNamespace(container: number, settings: NetworkSettings): Promise<void> {
  const remaining = async (): Promise<string[][]> => [
    ...[...(await interfaceNames())]
      .filter((name) => belongsTo(name, container, settings))
      .map((name) => ['link', 'del', name]),
    ...(existsSync(namespacePath(container, settings))
      ? [['netns', 'del', namespaceName(container, settings)]]
      : []),
  ];
  try {
    await changeIp(await remaining());
  } catch (error) {
    // The kernel, or somebody else, may have been quicker with a part of it.
    const steps = await remaining();
    if (steps.length === 0) return;
    await changeIp(steps).catch(() => {
      throw error;
    });
  }
}

function stepFor(
  container: number,
  { nic, index }: PlacedNic,
  settings: NetworkSettings,
): string[] {
  const names = {
    inside: nameInside(nic, index),
    outside: nameOutside(nic, index, container, settings),
    namespace: namespaceName(container, settings),
  };
  return creationStep(nic, names, settings.bridge);
}
