/** Settings of the core daemon and its containers. Pure. */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { parseSize } from '../base/bytes.ts';
import { dataHome, parsePath, type Setting } from './setting.ts';

export const CORE_SETTINGS = {
  coreRedis: {
    env: 'G8UFS_CORE_REDIS',
    unit: 'url',
    description: 'Redis that brings the core daemon its commands',
    expected: 'redis://…, rediss://… or unix:///path/of/socket',
    parse: (text) => (/^(rediss?|unix):\/\/./.test(text) ? text : undefined),
    fallback: () => 'redis://127.0.0.1:6379',
  },
  coreState: {
    env: 'G8UFS_CORE_STATE',
    unit: 'path',
    description: 'folder in which the core daemon keeps what outlives it',
    expected: 'a path',
    parse: parsePath,
    fallback: ({ env, uid }) =>
      uid === 0 ? '/var/lib/g8ufs/core' : join(dataHome(env), 'g8ufs/core'),
  },
  coreMaxJobs: {
    env: 'G8UFS_CORE_MAX_JOBS',
    unit: 'number',
    description: 'jobs that may be alive in the core daemon; more commands wait',
    expected: 'a number from 1 to 100000',
    parse: parseCount,
    fallback: () => 1000,
  },
  coreLoggerSize: {
    env: 'G8UFS_CORE_LOGGER_SIZE',
    unit: 'number',
    description: 'records that a list of logger.subscribe keeps',
    expected: 'a number from 1 to 100000',
    parse: parseCount,
    fallback: () => 1000,
  },
  coreRuntime: {
    env: 'G8UFS_CORE_RUNTIME',
    unit: 'text',
    description: 'OCI runtime that makes containers',
    expected: 'runc or crun',
    parse: (text) => (text === 'runc' || text === 'crun' ? text : undefined),
    fallback: (): 'runc' | 'crun' => 'runc',
  },
  coreInit: {
    env: 'G8UFS_CORE_INIT',
    unit: 'path',
    description: 'static program that is the first process of containers',
    expected: 'a path',
    parse: parsePath,
    fallback: () => '/usr/bin/catatonit',
  },
  coreCgroup: {
    env: 'G8UFS_CORE_CGROUP',
    unit: 'text',
    description: 'control group below which containers have theirs',
    expected: 'a path such as /g8ufs',
    parse: (text) => (/^(?:\/[\w][\w.-]*)+$/.test(text) ? text : undefined),
    fallback: () => '/g8ufs',
  },
  coreHub: {
    env: 'G8UFS_CORE_HUB',
    unit: 'url',
    description: 'hub on which a container finds a root such as user/image; empty: none',
    expected: 'an http or https URL',
    parse: (text) => (text === '' || /^https?:\/\/./.test(text) ? text : undefined),
    fallback: () => '',
  },
  coreStorage: {
    env: 'G8UFS_CORE_STORAGE',
    unit: 'url',
    description: 'where the chunks of containers are; empty: where their flists say',
    expected: 'a URL of a store',
    parse: (text) => text,
    fallback: () => '',
  },
  coreMaxContainers: {
    env: 'G8UFS_CORE_MAX_CONTAINERS',
    unit: 'number',
    description: 'containers that there may be; more are refused',
    expected: 'a number from 1 to 100000',
    parse: parseCount,
    fallback: () => 1000,
  },
  coreMemory: {
    env: 'G8UFS_CORE_MEMORY',
    unit: 'bytes',
    description: 'memory of one container: a size, a share such as 90%, or none',
    expected: 'a size such as 2GiB, a share such as 90%, or none',
    parse: parseMemory,
    fallback: () => Math.floor(totalmem() * 0.9),
  },
  corePids: {
    env: 'G8UFS_CORE_PIDS',
    unit: 'number',
    description: 'processes and threads of one container; 0: any number',
    expected: 'a number from 0 to 100000',
    parse: (text) => (text === '0' || text === 'none' ? 0 : parseCount(text)),
    fallback: () => 4096,
  },
  coreExtensions: {
    env: 'G8UFS_CORE_EXTENSIONS',
    unit: 'path',
    description: 'YAML file of programs that are commands of the core daemon; empty: none',
    expected: 'a path',
    parse: (text, from) => (text === '' ? '' : parsePath(text, from)),
    fallback: () => '',
  },
  coreStartup: {
    env: 'G8UFS_CORE_STARTUP',
    unit: 'path',
    description: 'TOML file of services that are started on the host; empty: none',
    expected: 'a path',
    parse: (text, from) => (text === '' ? '' : parsePath(text, from)),
    fallback: () => '',
  },
  coreBridge: {
    env: 'G8UFS_CORE_BRIDGE',
    unit: 'text',
    description: 'bridge of containers with a default nic; made when it is first needed',
    expected: "an interface's name",
    parse: (text) => (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(text) ? text : undefined),
    fallback: () => 'core0',
  },
  coreAddress: {
    env: 'G8UFS_CORE_ADDRESS',
    unit: 'text',
    description: 'address of that bridge with the length of its prefix',
    expected: 'an address such as 172.18.0.1/16',
    parse: (text) => (/^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/.test(text) ? text : undefined),
    fallback: () => '172.18.0.1/16',
  },
  coreTable: {
    env: 'G8UFS_CORE_TABLE',
    unit: 'text',
    description: 'own nftables table, of the family inet',
    expected: 'a name such as g8ufs',
    parse: (text) => (/^[a-z][a-z0-9_]{0,31}$/.test(text) ? text : undefined),
    fallback: () => 'g8ufs',
  },
  coreFirewallChain: {
    env: 'G8UFS_CORE_FIREWALL_CHAIN',
    unit: 'text',
    description: "chain of the host's firewall in which ports may be opened; empty: none",
    expected: 'a chain such as inet filter input',
    parse: (text) => (text === '' || /^(inet|ip) [\w-]+ [\w-]+$/.test(text) ? text : undefined),
    fallback: () => '',
  },
  coreInterfaces: {
    env: 'G8UFS_CORE_INTERFACES',
    unit: 'text',
    description: 'how names of the host side of nics begin',
    expected: 'up to six letters and digits',
    parse: (text) => (/^[a-z][a-z0-9]{0,5}$/.test(text) ? text : undefined),
    fallback: () => 'cont',
  },
  coreNamespaces: {
    env: 'G8UFS_CORE_NAMESPACES',
    unit: 'text',
    description: 'how names of network namespaces of containers begin',
    expected: 'letters, digits and dashes',
    parse: (text) => (/^[a-z][a-z0-9-]{0,31}$/.test(text) ? text : undefined),
    fallback: () => 'g8ufs-',
  },
} as const satisfies Record<string, Setting<unknown>>;

/** Bytes; 0 for `none`. */
function parseMemory(text: string): number | undefined {
  if (text === 'none') return 0;
  const share = /^(\d{1,2}|100)%$/.exec(text)?.[1];
  if (share !== undefined) return Math.floor((totalmem() * Number(share)) / 100) || undefined;
  return parseSize(text);
}

/** From 1 to 100 000. */
function parseCount(text: string): number | undefined {
  return /^([1-9]\d{0,4}|100000)$/.test(text) ? Number(text) : undefined;
}
