/**
 * Every setting in one place: type, default, unit, environment name and what it means. The help pages,
 * `config show` and the documentation come from here. Pure.
 */
import { join } from 'node:path';
import { parseSize } from '../base/bytes.ts';
import { defaultCacheDir } from '../base/paths.ts';
import { parseQuotaRules } from './cache-quotas.ts';
import { CORE_SETTINGS } from './core-settings.ts';
import { dataHome, parsePath, type Setting } from './setting.ts';

export type { Environment, Surroundings } from './setting.ts';

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
};

/** Daemons that stand by, unless told: two that die within seconds find a loaded one each. */
const STANDBYS = 2;

/** The settings by name, as the configuration file spells them. */
export const SETTINGS = {
  cacheDir: {
    env: 'G8UFS_CACHE_DIR',
    unit: 'path',
    description: 'folder of the content cache',
    expected: 'a path',
    parse: parsePath,
    fallback: ({ env, uid }) => defaultCacheDir(env, uid),
  },
  cacheSize: {
    env: 'G8UFS_CACHE_SIZE',
    unit: 'bytes',
    description: 'size the content cache may have',
    expected: 'a size such as 10GiB',
    parse: parseSize,
    fallback: () => 10 * 1024 ** 3,
  },
  cacheFree: {
    env: 'G8UFS_CACHE_FREE',
    unit: 'bytes',
    description: 'space that the cache leaves free on its file system',
    expected: 'a size such as 1GiB',
    parse: parseSize,
    fallback: () => 1024 ** 3,
  },
  cacheScrub: {
    env: 'G8UFS_CACHE_SCRUB',
    unit: 'bytes',
    description: 'how much of the cache is verified in a second; 0: nothing',
    expected: 'a size such as 4MiB, or 0',
    parse: (text) => (text === '0' ? 0 : parseSize(text)),
    fallback: () => 0,
  },
  cacheQuotas: {
    env: 'G8UFS_CACHE_QUOTAS',
    unit: 'list',
    description: 'what images may take of the cache, by how their path or URL begins',
    expected: 'rules such as https://hub.example/demo/*=2GiB, from 16MiB on',
    parse: (text) => {
      const rules = text.split(/\s+/).filter((rule) => rule !== '');
      return parseQuotaRules(rules) === undefined ? undefined : rules;
    },
    fallback: (): string[] => [],
  },
  stores: {
    env: 'G8UFS_STORE',
    unit: 'list',
    description: 'where chunks are, most wanted first, separated by spaces',
    expected: 'store URLs',
    parse: (text) => text.split(/\s+/).filter((url) => url !== ''),
    fallback: (): string[] => [],
  },
  deadline: {
    env: 'G8UFS_DEADLINE',
    unit: 'milliseconds',
    description: 'how long a read waits for its data',
    expected: 'a duration such as 30s',
    parse: parseDuration,
    fallback: () => 30_000,
  },
  slowRead: {
    env: 'G8UFS_SLOW_READ',
    unit: 'milliseconds',
    description: 'how long a read waits before the log says what for',
    expected: 'a duration such as 5s',
    parse: parseDuration,
    fallback: () => 5_000,
  },
  linger: {
    env: 'G8UFS_LINGER',
    unit: 'milliseconds',
    description: 'how long a mount daemon without mounts waits for another; 0s: not at all',
    expected: 'a duration such as 10s',
    parse: (text) => (/^0(ms|s|min|h)?$/.test(text) ? 0 : parseDuration(text)),
    fallback: () => 10_000,
  },
  standby: {
    env: 'G8UFS_STANDBY',
    unit: 'number',
    description: 'loaded daemons that wait to go on when the one with mounts dies',
    expected: `off, on (${STANDBYS}) or a number up to 8`,
    parse: parseStandbys,
    fallback: () => STANDBYS,
  },
  metricsListen: {
    env: 'G8UFS_METRICS_LISTEN',
    unit: 'text',
    description: 'loopback address where a mount daemon serves metrics; empty: none',
    expected: 'host:port',
    parse: (text) => (text === '' || parseListen(text) !== undefined ? text : undefined),
    fallback: () => '',
  },
  requireSignature: {
    env: 'G8UFS_REQUIRE_SIGNATURE',
    unit: 'list',
    description: 'public keys, one of which must have signed what is mounted',
    expected: 'paths of public keys',
    parse: (text) => text.split(/\s+/).filter((path) => path !== ''),
    fallback: (): string[] => [],
  },
  policy: {
    env: 'G8UFS_POLICY',
    unit: 'path',
    description: 'rules of what may be mounted, and signed by whom',
    expected: 'a path',
    parse: parsePath,
    fallback: () => '/etc/g8ufs/policy.json',
  },
  blockSize: {
    env: 'G8UFS_BLOCK_SIZE',
    unit: 'bytes',
    description: 'size of chunks in new flists, a power of two',
    expected: 'a size such as 512KiB',
    parse: parseSize,
    fallback: () => 512 * 1024,
  },
  level: {
    env: 'G8UFS_LEVEL',
    unit: 'number',
    description: 'zstd level of new chunks, 1 to 19',
    expected: 'a number from 1 to 19',
    parse: (text) => (/^([1-9]|1\d)$/.test(text) ? Number(text) : undefined),
    fallback: () => 3,
  },
  hub: {
    env: 'G8UFS_HUB',
    unit: 'url',
    description: 'hub of names that are given without one, such as demo/debian; empty: none',
    expected: 'a URL such as https://hub.example',
    parse: (text) => (text === '' || /^https?:\/\/\S+$/i.test(text) ? text : undefined),
    fallback: () => '',
  },
  credentialHelper: {
    env: 'G8UFS_CREDENTIAL_HELPER',
    unit: 'text',
    description: 'docker-credential-<name> that keeps the tokens of logins; empty: a file',
    expected: 'its name without docker-credential-',
    parse: (text) => (/^[A-Za-z0-9._-]{0,64}$/.test(text) ? text : undefined),
    fallback: () => '',
  },
  hubData: {
    env: 'G8UFS_HUB_DATA',
    unit: 'path',
    description: 'folder in which the hub keeps flists and chunks',
    expected: 'a path',
    parse: parsePath,
    fallback: ({ env, uid }) =>
      uid === 0 ? '/var/lib/g8ufs/hub' : join(dataHome(env), 'g8ufs/hub'),
  },
  hubCatalogue: {
    env: 'G8UFS_HUB_CATALOGUE',
    unit: 'url',
    description: 'database of the hub, level:<dir> or postgres://…; empty: in its folder',
    expected: 'level:<dir> or postgres://…',
    parse: (text) => text,
    fallback: () => '',
  },
  hubChunks: {
    env: 'G8UFS_HUB_CHUNKS',
    unit: 'url',
    description: 'where the hub keeps chunks; empty: in its folder',
    expected: 'a URL such as redis://host or s3://bucket',
    parse: (text) => text,
    fallback: () => '',
  },
  hubChunkCache: {
    env: 'G8UFS_HUB_CHUNK_CACHE',
    unit: 'bytes',
    description: 'size of the disk cache before chunks on another machine; 0: none',
    expected: 'a size such as 4GiB, or 0',
    parse: (text) => (text === '0' ? 0 : parseSize(text)),
    fallback: () => 4 * 1024 ** 3,
  },
  hubChunkCacheDir: {
    env: 'G8UFS_HUB_CHUNK_CACHE_DIR',
    unit: 'path',
    description: 'folder of that cache, of one hub alone; empty: in the folder of the hub',
    expected: 'a path',
    parse: (text, surroundings) => (text === '' ? '' : parsePath(text, surroundings)),
    fallback: () => '',
  },
  hubListen: {
    env: 'G8UFS_HUB_LISTEN',
    unit: 'text',
    description: 'address and port of the hub',
    expected: 'host:port',
    parse: (text) => (parseListen(text) === undefined ? undefined : text),
    fallback: () => '127.0.0.1:8080',
  },
  hubPublicUrl: {
    env: 'G8UFS_HUB_PUBLIC_URL',
    unit: 'url',
    description: 'URL that clients know the hub by; empty: what they ask by',
    expected: 'a URL such as https://hub.example',
    parse: (text) => (text === '' || /^https?:\/\/\S+$/i.test(text) ? text : undefined),
    fallback: () => '',
  },
  hubPublicBackend: {
    env: 'G8UFS_HUB_PUBLIC_BACKEND',
    unit: 'text',
    description: 'where clients of 0-db find the chunks of the hub; empty: nowhere',
    expected: 'host:port or host:port/namespace',
    parse: (text) => (text === '' || parsePublicBackend(text) !== undefined ? text : undefined),
    fallback: () => '',
  },
  ...CORE_SETTINGS,
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export type SettingValue<N extends SettingName> = ReturnType<(typeof SETTINGS)[N]['fallback']>;

/** @returns `undefined` when it is none of what is expected */
function parseStandbys(text: string): number | undefined {
  if (text === 'off') return 0;
  if (text === 'on') return STANDBYS;
  return /^[1-8]$/.test(text) ? Number(text) : undefined;
}

/** Host and port of `host:port` or `[v6]:port`; `undefined` when it is neither. */
export function parseListen(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) return undefined;
  return { host: (match[1] ?? match[2]) as string, port };
}

/** Host, port and namespace (`default`) of `host:port/namespace`; `undefined` when it is none. */
export function parsePublicBackend(
  text: string,
): { host: string; port: number; namespace: string } | undefined {
  const slash = text.indexOf('/');
  const listen = parseListen(slash < 0 ? text : text.slice(0, slash));
  const namespace = slash < 0 ? 'default' : text.slice(slash + 1);
  if (listen === undefined || !/^[A-Za-z0-9_.-]{1,64}$/.test(namespace)) return undefined;
  return { ...listen, namespace };
}

/** Milliseconds of `500ms`, `30s`, `2min`, `1h`; `undefined` when it is none of them. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|min|h)$/.exec(text.trim());
  if (match === null) return undefined;
  const milliseconds = Number(match[1]) * (DURATION_UNITS[match[2] as string] as number);
  return milliseconds > 0 ? milliseconds : undefined;
}
