/** The network of containers as this configuration has it. */
import type { Config } from '../config/config.ts';
import type { NetworkSettings } from '../core/network/settings.ts';

export function networkSettings(config: Config): Omit<NetworkSettings, 'stateDir'> {
  return {
    bridge: config.get('coreBridge'),
    address: config.get('coreAddress'),
    table: config.get('coreTable'),
    interfacePrefix: config.get('coreInterfaces'),
    namespacePrefix: config.get('coreNamespaces'),
  };
}
