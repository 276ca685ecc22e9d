/** From settings to the containers of a core daemon. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { ContainerSettings } from '../core/container/container-host.ts';
import type { Logger } from '../fs/log.ts';
import { networkSettings } from './network-settings.ts';

/**
 * @param keepBridge whether the default bridge stays while this process runs, which makes one container after the other
 * @throws ERR_CONFIG for network settings that cannot be
 */
export async function containerSettings(
  config: Config,
  log: Logger,
  { keepBridge } = { keepBridge: true },
): Promise<ContainerSettings> {
  const { Network } = await import('../core/network/network.ts');
  const { NamedCgroups } = await import('../core/cgroup/named-cgroups.ts');
  const { NodeNetwork } = await import('../core/container/node-network.ts');
  const { Runtime } = await import('../core/container/runtime.ts');
  const { daemonCommand } = await import('./early-daemon.ts');
  const stateDir = config.get('coreState');
  const nodeNetwork = new Network({
    settings: { ...networkSettings(config), stateDir: join(stateDir, 'network') },
    log,
    keepBridge,
  });
  return {
    runtime: new Runtime(config.get('coreRuntime'), join(stateDir, 'runtime')),
    mounts: {
      daemon: daemonCommand(config.get('cacheDir')),
      stores: config.get('stores'),
      deadlineMs: config.get('deadline'),
      tier: 'auto',
    },
    network: new NodeNetwork(nodeNetwork, { isFixed: !keepBridge }),
    nodeNetwork,
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
