/**
 * What a `redis:`, `rediss:`, `redis-cluster:`, `ardb:` or `zdb:` URL means. Pure.
 *
 *     redis://[user:]password@host[:6379][/database][?prefix=&cluster&ca=FILE]     rediss: the same by TLS
 *     redis-cluster://[user:]password@host[:6379],host…[?prefix=]
 *     ardb://[password@]host[:16379]              historical: plain keys
 *     zdb://[token][:password]@host[:9900][/namespace]
 */
import { G8Error } from '../base/errors.ts';
import { type HostPort, parseBackendUrl } from './backend-url.ts';

export interface RespTarget {
  /** URL without credentials. */
  readonly name: string;
  readonly kind: 'redis' | 'cluster' | 'zdb';
  /** One, or the nodes of a cluster to begin with. */
  readonly hosts: readonly HostPort[];
  readonly username: string | undefined;
  /** For `AUTH`. */
  readonly password: string | undefined;
  readonly tls: { readonly caFile: string | undefined } | undefined;
  readonly database: number;
  /** Of 0-db; to be selected before anything else. */
  readonly namespace: { readonly name: string; readonly password: string | undefined } | undefined;
  /** In front of each key; `undefined` when the URL names none. */
  readonly prefix: string | undefined;
}

export const RESP_SCHEMES: readonly string[] = ['redis', 'rediss', 'redis-cluster', 'ardb', 'zdb'];

const REDIS_PORT = 6379;
const ARDB_PORT = 16_379;
const ZDB_PORT = 9900;
const PREFIX_SIZE_MAX = 128;

/** @throws ERR_CONFIG */
export function parseRespTarget(url: string): RespTarget {
  const parts = parseBackendUrl(url, ['prefix', 'cluster', 'ca']);
  const { name, scheme, query, path } = parts;
  const problem = (reason: string) => new G8Error('ERR_CONFIG', `Store ${name} ${reason}`);
  const kind =
    scheme === 'zdb'
      ? 'zdb'
      : scheme === 'redis-cluster' || query.has('cluster')
        ? 'cluster'
        : 'redis';
  if (kind !== 'cluster' && parts.hosts.length > 1) throw problem('has more than one host');
  if (kind === 'zdb' && query.size > 0) throw problem('has parameters, and 0-db has none');
  if (scheme === 'ardb' && query.size > 0) throw problem('has parameters, and ardb has none');
  if (query.has('ca') && scheme !== 'rediss') throw problem('has a CA file, and no TLS');
  const prefix = scheme === 'ardb' ? '' : query.get('prefix');
  if (prefix !== undefined && prefix.length > PREFIX_SIZE_MAX) throw problem('has a long prefix');
  const port = scheme === 'zdb' ? ZDB_PORT : scheme === 'ardb' ? ARDB_PORT : REDIS_PORT;
  const common = {
    name,
    kind,
    hosts: parts.hosts.map((host) => ({ host: host.host, port: host.port ?? port })),
    tls: scheme === 'rediss' ? { caFile: query.get('ca') } : undefined,
    prefix,
  } as const;
  if (kind === 'zdb') {
    // The historical tools send what stands alone by AUTH; a namespace has its password behind a colon.
    const namespace = path === '' ? undefined : path.replace(/\/$/, '').split('/').at(-1);
    const selects = namespace !== undefined || parts.password !== undefined;
    return {
      ...common,
      username: undefined,
      password: parts.username,
      database: 0,
      namespace: selects ? { name: namespace ?? 'default', password: parts.password } : undefined,
    };
  }
  if (!/^\d{0,4}$/.test(path)) throw problem('has a database that is no number');
  if (kind === 'cluster' && Number(path) > 0)
    throw problem('has a database, and clusters have one');
  const alone = parts.password === undefined;
  return {
    ...common,
    username: alone ? undefined : parts.username,
    password: alone ? parts.username : parts.password,
    database: Number(path),
    namespace: undefined,
  };
}
