/**
 * The arguments of `corex.create`, as they come from a client and as they are kept and listed: with the names of
 * the protocol, every field there. Pure: what only the host can tell (a path that is missing, a bridge that is not
 * there) is found when the container is made.
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';

/** Kept in the container's record and sent in every list. */
const TEXT_LENGTH_MAX = 64 * 1024;
const ENTRIES_MAX = 256;
const NICS_MAX = 32;
/** What an interface may be called; the kernel's own limit is 15 bytes. */
const NIC_NAME_LENGTH_MAX = 15;
const PORT_MAX = 65535;
const CGROUP_SUBSYSTEMS: readonly string[] = ['memory', 'cpuset', 'devices'];
/** Types that need another daemon, or a switch of their own kind. */
const FOREIGN_NIC_TYPES: readonly string[] = ['zerotier', 'vlan', 'vxlan'];
const NIC_TYPES: readonly string[] = ['default', 'bridge', 'macvlan', 'passthrough'];
/** The bridge of default nics, which is not to be named. */
const DEFAULT_BRIDGE = 'core0';

const noNul = (text: string): boolean => !text.includes('\0');
const text = z.string().max(TEXT_LENGTH_MAX).refine(noNul, 'contains a NUL');
const optionalText = text.nullish().transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const nic = z.object({
  type: text,
  id: optionalText,
  name: optionalText,
  hwaddr: optionalText,
  config: z
    .object({
      dhcp: flag,
      cidr: optionalText,
      gateway: optionalText,
      dns: z
        .array(text)
        .max(ENTRIES_MAX)
        .nullish()
        .transform((list) => list ?? null),
    })
    .nullish()
    .transform((config) => config ?? { dhcp: false, cidr: '', gateway: '', dns: null }),
  monitor: flag,
});

const map = <T extends z.ZodType>(value: T) =>
  z
    .record(text, value)
    .refine((entries) => Object.keys(entries).length <= ENTRIES_MAX, 'has too many entries')
    .nullish()
    .transform((entries) => entries ?? null);

const shape = z.object({
  root: optionalText,
  mount: map(text),
  host_network: flag,
  identity: optionalText,
  nics: z
    .array(nic)
    .max(NICS_MAX)
    .nullish()
    .transform((nics) => nics ?? []),
  port: map(z.number().int()),
  privileged: flag,
  hostname: optionalText,
  storage: optionalText,
  name: optionalText,
  env: map(text),
  cgroups: z
    .array(z.tuple([text, text]))
    .max(ENTRIES_MAX)
    .nullish()
    .transform((groups) => groups ?? null),
  config: map(text),
});

/** How far a network interface of a container is. */
export type NicState = 'unknown' | 'configured' | 'error' | 'destroyed';

/** A network interface as asked for; `id` is a bridge or a parent link. */
export type Nic = z.infer<typeof nic> & { state: NicState };

/** What a container was made with, as `corex.list` tells it. Paths and addresses are texts of the client. */
export type ContainerArguments = Omit<z.infer<typeof shape>, 'nics'> & {
  readonly nics: Nic[];
  readonly tags: readonly string[] | null;
};

/** What does not stand in the arguments themselves. */
export interface ArgumentDefaults {
  /** Tags of the command. */
  readonly tags: readonly string[] | null;
  /** Where chunks are unless the arguments say it; empty: where the flist says. */
  readonly storage: string;
}

/**
 * @throws ERR_PROTOCOL when a field has the wrong shape; ERR_USAGE for values that no container can have
 */
export function parseContainerArguments(
  value: unknown,
  defaults: ArgumentDefaults,
): ContainerArguments {
  const parsed = shape.safeParse(value ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') || 'arguments';
    throw new G8Error('ERR_PROTOCOL', `Argument ${where} is not valid: ${issue?.message}`);
  }
  const { data } = parsed;
  const args: ContainerArguments = {
    ...data,
    // A container on the host's network has none of its own.
    nics: data.host_network ? [] : data.nics.map((given) => ({ ...given, state: 'unknown' })),
    port: data.host_network ? null : data.port,
    storage: data.storage || defaults.storage,
    tags: defaults.tags,
  };
  if (args.root === '') throw wrong('Container needs a root');
  for (const [source, target] of Object.entries(args.mount ?? {})) checkMount(source, target);
  for (const [key, port] of Object.entries(args.port ?? {})) checkForward(key, port);
  for (const name of Object.keys(args.env ?? {})) checkVariable(name);
  for (const [subsystem] of args.cgroups ?? []) {
    if (!CGROUP_SUBSYSTEMS.includes(subsystem)) throw wrong(`Cgroup ${subsystem} is unknown`);
  }
  if (args.hostname !== '' && !/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62})$/.test(args.hostname)) {
    throw wrong(`Host name '${args.hostname}' is not valid`);
  }
  checkNics(args.nics);
  return args;
}

/** Whether a source of `mount` is a flist rather than a path of the host. */
export function isFlistSource(source: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(source);
}

function checkMount(source: string, target: string): void {
  if (!isAbsolute(target)) throw wrong(`Mount target '${target}' is not absolute`);
  if (!isFlistSource(source) && !isAbsolute(source)) {
    throw wrong(`Mount source '${source}' is not absolute`);
  }
}

/** `[address:]port[|protocols]`; what the address means is known when the rule is made. */
function checkForward(key: string, port: number): void {
  const match = /^(?:(.+):)?(\d{1,5})(?:\|([a-z+]+))?$/.exec(key);
  const protocols = match?.[3]?.split('+') ?? ['tcp'];
  const isSound = protocols.every((protocol) => protocol === 'tcp' || protocol === 'udp');
  if (match === null || !isSound) throw wrong(`Port forward '${key}' is not valid`);
  if (Number(match[2]) > PORT_MAX) throw wrong(`Port ${match[2]} is out of range`);
  if (port < 0 || port > PORT_MAX) throw wrong(`Port ${port} is out of range`);
}

function checkVariable(name: string): void {
  if (name === '' || name.includes('=')) throw wrong(`Variable '${name}' cannot be set`);
}

function checkNics(nics: readonly Nic[]): void {
  const links = new Set<string>();
  const names = new Set<string>();
  for (const { type, id, name } of nics) {
    if (FOREIGN_NIC_TYPES.includes(type)) throw wrong(`Nic type '${type}' is not supported`);
    if (!NIC_TYPES.includes(type)) throw wrong(`Nic type '${type}' is unknown`);
    if (type === 'bridge' && id === DEFAULT_BRIDGE) {
      throw wrong(`Bridge ${DEFAULT_BRIDGE} is for nics of type default`);
    }
    if (type !== 'default' && id === '') throw wrong(`Nic of type ${type} needs an id`);
    const link = type === 'default' ? type : `${type} ${id}`;
    if (links.has(link)) throw wrong(`Only one nic of ${link} is possible`);
    links.add(link);
    if (name === '') continue;
    checkNicName(name);
    if (names.has(name)) throw wrong(`Nic name '${name}' is used twice`);
    names.add(name);
  }
}

/** @throws ERR_USAGE for names that the kernel refuses, or that nics without a name get */
export function checkNicName(name: string): void {
  const isReserved = name === 'default' || /^(eth|zt)/.test(name);
  const isPossible = name.length <= NIC_NAME_LENGTH_MAX && /^[^\s/:]+$/.test(name);
  if (isReserved || !isPossible || name === '.' || name === '..') {
    throw wrong(`Nic name '${name}' cannot be used`);
  }
}

function wrong(message: string): G8Error {
  return new G8Error('ERR_USAGE', message);
}
