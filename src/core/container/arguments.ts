/**
 * What a container is made with, with the names of the protocol, every field there. Pure: what only the host can tell
 * (a path that is missing, a bridge that is not there) is found when the container is made.
 */
import { isAbsolute } from 'node:path';
import { G8Error } from '../../base/errors.ts';
import { checkPort, parseForwardKey } from '../network/forward.ts';
import type { Nic, NicState } from '../network/nic.ts';

const CGROUP_SUBSYSTEMS: readonly string[] = ['memory', 'cpuset', 'devices'];

type Texts = Readonly<Record<string, string>>;

/** As `corex.list` tells it. Paths and addresses are texts of the client; absent texts are empty. */
export interface ContainerArguments {
  readonly root: string;
  /** Paths inside by paths of the host or URLs of flists. */
  readonly mount: Texts | null;
  readonly host_network: boolean;
  readonly identity: string;
  /** None on the host's network. */
  readonly nics: readonly (Nic & { readonly state: NicState })[];
  /** Container ports by host side. */
  readonly port: Readonly<Record<string, number>> | null;
  readonly privileged: boolean;
  readonly hostname: string;
  readonly storage: string;
  readonly name: string;
  readonly env: Texts | null;
  readonly cgroups: readonly (readonly [subsystem: string, name: string])[] | null;
  /** Files to write into the root, by path. */
  readonly config: Texts | null;
  /** Whether it is started again when its first process dies, see restart.ts; absent: no. */
  readonly restart?: string;
  readonly tags: readonly string[] | null;
}

/** Kept in the container's record and sent in every list: characters of one text, entries of one field. */
export const TEXT_LENGTH_MAX = 64 * 1024;
export const ENTRIES_MAX = 256;

/** Refuses what no container can have; the nics are checked already. @throws ERR_USAGE */
export function checkArguments(args: ContainerArguments): void {
  if (args.root === '') throw wrong('Container needs a root');
  for (const field of ['mount', 'port', 'env', 'config'] as const) checkSize(field, args[field]);
  for (const [source, target] of Object.entries(args.mount ?? {})) checkMount(source, target);
  for (const [key, port] of Object.entries(args.port ?? {})) {
    parseForwardKey(key);
    checkPort(port);
  }
  for (const name of Object.keys(args.env ?? {})) checkVariable(name);
  for (const [subsystem] of args.cgroups ?? []) {
    if (!CGROUP_SUBSYSTEMS.includes(subsystem)) throw wrong(`Cgroup ${subsystem} is unknown`);
  }
  if (args.hostname !== '' && !/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62})$/.test(args.hostname)) {
    throw wrong(`Host name '${args.hostname}' is not valid`);
  }
}

/** Whether a source of `mount` is a flist rather than a path of the host. */
export function isFlistSource(source: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(source);
}

function checkSize(field: string, entries: Readonly<Record<string, unknown>> | null): void {
  const all = Object.entries(entries ?? {});
  if (all.length > ENTRIES_MAX) throw wrong(`Field ${field} has more than ${ENTRIES_MAX} entries`);
  const isLong = all.some((texts) => texts.some((text) => String(text).length > TEXT_LENGTH_MAX));
  if (isLong) throw wrong(`Field ${field} has a text of more than ${TEXT_LENGTH_MAX} characters`);
}

function checkMount(source: string, target: string): void {
  if (!isAbsolute(target)) throw wrong(`Mount target '${target}' is not absolute`);
  if (!isFlistSource(source) && !isAbsolute(source)) {
    throw wrong(`Mount source '${source}' is not absolute`);
  }
}

function checkVariable(name: string): void {
  if (name === '' || name.includes('=')) throw wrong(`Variable '${name}' cannot be set`);
}

function wrong(message: string): G8Error {
  return new G8Error('ERR_USAGE', message);
}
