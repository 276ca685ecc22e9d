/** Containers as this configuration has them, for commands that make or end some without a core daemon. */
import type { Config } from '../config/config.ts';
import { Containers, type ContainersOptions } from '../core/container/containers.ts';
import { RootMounts } from '../core/container/root-mounts.ts';
import type { ContainerSystem } from '../core/container/system.ts';
import type { Logger } from '../fs/log.ts';
import { commandSettings } from './core-containers.ts';

export interface SystemOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Asked after the routes of a flist; default: the configured ones. */
  readonly stores?: readonly string[];
}

/**
 * Opens the state folder for containers of this process; what dead processes have left there is cleared away.
 *
 * @throws ERR_CREATE, ERR_PERMISSION, ERR_IO, ERR_CONFIG
 */
export async function openContainers(options: SystemOptions): Promise<Containers> {
  return await Containers.open(await containersOptions(options));
}

/** To look at containers of others, and to end them. */
export async function systemOf(options: SystemOptions): Promise<ContainerSystem> {
  const { mounts, ...rest } = await containersOptions(options);
  return { ...rest, mounts: new RootMounts(mounts, () => {}) };
}

async function containersOptions(options: SystemOptions): Promise<ContainersOptions> {
  const { config, log, stores } = options;
  const settings = await commandSettings(config, log);
  const mounts = { ...settings.mounts, ...(stores !== undefined && { stores }) };
  return { ...settings, mounts, stateDir: config.get('coreState'), programs: {}, log };
}
