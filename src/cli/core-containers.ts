/** From settings to the containers of a core daemon. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { ContainerSettings } from '../core/container/container-host.ts';
import type { Network } from '../core/network/network.ts';
import type { NetworkSettings } from '../core/network/settings.ts';
import type { Logger } from '../fs/log.ts';
import { networkSettings } from './network-settings.ts';

/** For a daemon, which makes one container after the other. @throws ERR_CONFIG for network settings that cannot be */
export async function daemonSettings(config: Config, log: Logger): Promise<ContainerSettings> {
  const nodeNetwork = await openNetwork(config, log, true);
  return { ...(await containerSettings(config, async () => nodeNetwork, false)), nodeNetwork };
}

/** For a process that makes one container, or ends some. @throws ERR_CONFIG for network settings that cannot be */
export async function commandSettings(config: Config, log: Logger): Promise<ContainerSettings> {
  const { checkNetworkSettings } = await import('../core/network/settings.ts');
  checkNetworkSettings(ofNetwork(config));
  // Many containers have no network, and then none of its code is loaded.
  return await containerSettings(config, () => openNetwork(config, log, false), true);
}

function ofNetwork(config: Config): NetworkSettings {
  return { ...networkSettings(config), stateDir: join(config.get('coreState'), 'network') };
}

/** @param keepBridge whether the default bridge stays while this process runs */
async function openNetwork(config: Config, log: Logger, keepBridge: boolean): Promise<Network> {
  const { Network } = await import('../core/network/network.ts');
  return new Network({ settings: ofNetwork(config), log, keepBridge });
}

/** @param isFixed containers get no nics later */
async function containerSettings(
  config: Config,
  network: () => Promise<Network>,
  isFixed: boolean,
): Promise<ContainerSettings> {
  const { NamedCgroups } = await import('../core/cgroup/named-cgroups.ts');
  const { NodeNetwork } = await import('../core/container/node-network.ts');
  const { Runtime } = await import('../core/container/runtime.ts');
  const { daemonCommand } = await import('./early-daemon.ts');
  const stateDir = config.get('coreState');
  return {
    runtime: new Runtime(config.get('coreRuntime'), join(stateDir, 'runtime')),
    mounts: {
      daemon: daemonCommand(config.get('cacheDir')),
      stores: config.get('stores'),
      deadlineMs: config.get('deadline'),
      tier: 'auto',
    },
    network: new NodeNetwork(network, { isFixed }),
    bridge: config.get('coreBridge'),
    namedCgroups: new NamedCgroups(),
    cgroupParent: config.get('coreCgroup'),
    limits: { memoryBytes: config.get('coreMemory'), pidsCount: config.get('corePids') },
    initProgram: config.get('coreInit'),
    hubUrl: config.get('coreHub'),
    storage: config.get('coreStorage'),
    countMax: config.get('coreMaxContainers'),
  };
}
