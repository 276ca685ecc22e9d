/**
 * Names of images: `host[:port]/repository[:tag][@digest]` of registries, and how docker's short names
 * are meant. Pure.
 *
 * @see OCI distribution specification, pulling manifests; distribution/reference grammar
 */
import { G8Error } from '../../base/errors.ts';
import { isDigest } from './digest.ts';
import { showText } from './malformed.ts';

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const REPOSITORY =
  /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const REPOSITORY_SIZE_MAX = 255;
const TAG = /^\w[\w.-]{0,127}$/;

/** docker's registry by all its names, the name it is served under, and the key its credentials have. */
const HUB_NAMES: ReadonlySet<string> = new Set([
  'docker.io',
  'index.docker.io',
  'registry-1.docker.io',
]);
const HUB_HOST = 'registry-1.docker.io';
export const HUB_CREDENTIALS_KEY = 'https://index.docker.io/v1/';

export interface RegistryReference {
  /** Host with port, as people write it: `docker.io`. */
  readonly registry: string;
  /** Host with port that answers: `registry-1.docker.io`. */
  readonly host: string;
  readonly repository: string;
  /** `latest` when neither is given. */
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

/**
 * Reads a reference.
 *
 * @param text with or without `oci://`
 * @throws ERR_USAGE
 */
export function parseReference(text: string): RegistryReference {
  const bad = (reason: string): G8Error =>
    new G8Error('ERR_USAGE', `'${hideCredentials(text)}' is no image reference: ${reason}`);
  const bare = text.replace(/^oci:\/\//, '');
  const slash = bare.indexOf('/');
  if (slash < 0) throw bad('give HOST/REPOSITORY[:TAG], such as docker.io/debian');
  const registry = bare.slice(0, slash);
  // A user in front of the host would be a secret in flags, and in every list of processes.
  if (/^[^/]*@/.test(registry))
    throw bad('credentials are read from files, as docker login writes them');
  if (!HOST.test(registry)) throw bad('wrong host');
  const [rest = '', ...digests] = bare.slice(slash + 1).split('@');
  if (digests.length > 1) throw bad('several digests');
  const [digest] = digests;
  if (digest !== undefined && !isDigest(digest)) throw bad('no sha256 or sha512 digest');
  const [path = '', ...tags] = rest.split(':');
  if (tags.length > 1) throw bad('several tags');
  const [tag] = tags;
  if (tag !== undefined && !TAG.test(tag)) throw bad('wrong tag');
  const isHub = HUB_NAMES.has(registry.toLowerCase());
  const repository = isHub && !path.includes('/') ? `library/${path}` : path;
  if (!REPOSITORY.test(path) || repository.length > REPOSITORY_SIZE_MAX)
    throw bad('wrong repository');
  return {
    registry: isHub ? 'docker.io' : registry,
    host: isHub ? HUB_HOST : registry,
    repository,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  };
}

/** The reference as text that {@link parseReference} reads. */
export function formatReference({ registry, repository, tag, digest }: RegistryReference): string {
  const version = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
  return `oci://${registry}/${repository}${version}`;
}

/** What a registry is asked for: the digest wins, a tag may have moved since. */
export function versionOf({ tag, digest }: RegistryReference): string {
  return digest ?? tag ?? 'latest';
}

/** Whether the host is this machine, by a name that cannot lie about it. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function hideCredentials(text: string): string {
  return showText(text.replace(/^((?:oci:\/\/)?)[^/@]*@(?=[^/]*\/)/, '$1…@'));
}
