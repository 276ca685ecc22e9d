/**
 * The arguments of `corex.create`, as they come from a client and as they are kept and listed: with the names of
 * the protocol, every field there. Pure: what only the host can tell (a path that is missing, a bridge that is not
 * there) is found when the container is made.
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';
import { checkPort, parseForwardKey } from '../network/forward.ts';
import { type Nic, type NicState, parseNics } from '../network/nic.ts';
import { parseRestartPolicy } from './restart.ts';

/** Kept in the container's record and sent in every list. */
const TEXT_LENGTH_MAX = 64 * 1024;
const ENTRIES_MAX = 256;
const CGROUP_SUBSYSTEMS: readonly string[] = ['memory', 'cpuset', 'devices'];

const noNul = (text: string): boolean => !text.includes('\0');
const text = z.string().max(TEXT_LENGTH_MAX).refine(noNul, 'contains a NUL');
const optionalText = text.nullish().transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

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
  nics: z.unknown().optional(),
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
  restart: optionalText,
});

/** What a container was made with, as `corex.list` tells it. Paths and addresses are texts of the client. */
export type ContainerArguments = Omit<z.infer<typeof shape>, 'nics' | 'restart'> & {
  /** Whether it is started again when its first process dies, see restart.ts; absent: no. */
  readonly restart?: string;
  /** None on the host's network. */
  readonly nics: readonly (Nic & { readonly state: NicState })[];
  readonly tags: readonly string[] | null;
};

/** What does not stand in the arguments themselves. */
export interface ArgumentDefaults {
  /** Tags of the command. */
  readonly tags: readonly string[] | null;
  /** Where chunks are unless the arguments say it; empty: where the flist says. */
  readonly storage: string;
  /** Bridge of default nics, which no other nic may name. */
  readonly bridge: string;
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
  const { restart, ...data } = parsed.data;
  const isRestarted = restart !== '' && parseRestartPolicy(restart).when !== 'no';
  const args: ContainerArguments = {
    ...data,
    // Only what is asked for: clients that do not know it do not see it.
    ...(isRestarted && { restart }),
    // A container on the host's network has none of its own.
    nics: data.host_network
      ? []
      : parseNics(data.nics, defaults).map((nic) => ({ ...nic, state: 'unknown' })),
    port: data.host_network ? null : data.port,
    storage: data.storage || defaults.storage,
    tags: defaults.tags,
  };
  if (args.root === '') throw wrong('Container needs a root');
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

function checkVariable(name: string): void {
  if (name === '' || name.includes('=')) throw wrong(`Variable '${name}' cannot be set`);
}

function wrong(message: string): G8Error {
  return new G8Error('ERR_USAGE', message);
}
