/** The arguments of `corex.create`, as they come from a client. Pure. */
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';
import { parseNics } from '../network/parse-nics.ts';
import {
  type ContainerArguments,
  checkArguments,
  ENTRIES_MAX,
  TEXT_LENGTH_MAX,
} from './arguments.ts';
import { parseRestartPolicy } from './restart.ts';

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
  checkArguments(args);
  return args;
}
