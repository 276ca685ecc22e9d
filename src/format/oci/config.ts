/**
 * The configuration of an image: what to start and how, and the digests of its unpacked layers. Hostile
 * JSON in, checked values out. Pure.
 *
 * @see OCI image specification, image configuration
 */
import { z } from 'zod';
import { digestSchema } from './digest.ts';
import { parseDocument } from './json.ts';
import { malformedImage, showText } from './malformed.ts';
import { normalizePlatform, type Platform } from './platform.ts';

/** Arguments and variables: what one execve(2) takes of each, and far fewer of them. */
const TEXT_SIZE_MAX = 128 * 1024;
const ITEMS_MAX = 16_384;

const noNul = (value: string): boolean => !value.includes('\0');
const text = z.string().max(TEXT_SIZE_MAX).refine(noNul, { error: 'NUL in a text' });
const optional = <T>(schema: z.ZodType<T>) => schema.nullish().transform((v) => v ?? undefined);
const texts = z.array(text).max(ITEMS_MAX);
// What maps to nothing in particular: a set.
const set = z
  .record(text, z.unknown())
  .refine((value) => Object.keys(value).length <= ITEMS_MAX, { error: 'too many' });
const labels = z
  .record(text, text)
  .refine((value) => Object.keys(value).length <= ITEMS_MAX, { error: 'too many' });

const configSchema = z.object({
  created: optional(text),
  author: optional(text),
  architecture: text.min(1),
  os: text.min(1),
  variant: optional(text),
  config: optional(
    z.object({
      User: optional(text),
      ExposedPorts: optional(set),
      Env: optional(texts),
      Entrypoint: optional(texts),
      Cmd: optional(texts),
      Volumes: optional(set),
      WorkingDir: optional(text),
      Labels: optional(labels),
      StopSignal: optional(text),
    }),
  ),
  rootfs: z.object({
    type: z.literal('layers'),
    diff_ids: z
      .array(digestSchema)
      .max(ITEMS_MAX)
      .nullish()
      .transform((value) => value ?? []),
  }),
});

export interface ExposedPort {
  readonly protocol: string;
  readonly port: number;
}

/** What a container of the image runs with. */
export interface RunConfig {
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  /** `NAME=value`, each name once. */
  readonly environ?: ReadonlyMap<string, string> | undefined;
  readonly ports?: readonly ExposedPort[] | undefined;
  readonly volumes?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly labels?: ReadonlyMap<string, string> | undefined;
  readonly stopsignal?: string | undefined;
}

export interface ImageConfig {
  readonly platform: Platform;
  readonly created?: string | undefined;
  readonly author?: string | undefined;
  /** Digests of the layers as plain tars, the lowest first. */
  readonly diffIds: readonly string[];
  readonly run: RunConfig;
}

/**
 * Reads a configuration.
 *
 * @throws ERR_FLIST_FORMAT
 */
export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  const raw = parseDocument(bytes, configSchema, what);
  const run = raw.config;
  return {
    platform: normalizePlatform(raw.os, raw.architecture, raw.variant),
    created: raw.created,
    author: raw.author,
    diffIds: raw.rootfs.diff_ids,
    run: {
      entrypoint: run?.Entrypoint,
      cmd: run?.Cmd,
      environ: run?.Env === undefined ? undefined : parseEnviron(run.Env, what),
      ports: run?.ExposedPorts && Object.keys(run.ExposedPorts).map((key) => parsePort(key, what)),
      volumes: run?.Volumes && Object.keys(run.Volumes),
      workdir: run?.WorkingDir || undefined,
      user: run?.User || undefined,
      labels: run?.Labels && new Map(Object.entries(run.Labels)),
      stopsignal: run?.StopSignal || undefined,
    },
  };
}

function parseEnviron(variables: readonly string[], what: string): Map<string, string> {
  const environ = new Map<string, string>();
  for (const variable of variables) {
    const equals = variable.indexOf('=');
    if (equals === 0) {
      throw malformedImage(`${what} has a variable without a name: ${showText(variable)}`);
    }
    // A name alone is a variable that is empty.
    const name = equals < 0 ? variable : variable.slice(0, equals);
    environ.set(name, equals < 0 ? '' : variable.slice(equals + 1));
  }
  return environ;
}

function parsePort(key: string, what: string): ExposedPort {
  const match = /^(\d{1,5})(?:\/([a-z]{1,16}))?$/i.exec(key);
  const port = Number(match?.[1]);
  if (match === null || port < 1 || port > 65_535) {
    throw malformedImage(`${what} has the impossible port ${showText(key)}`);
  }
  return { protocol: match[2]?.toLowerCase() ?? 'tcp', port };
}

/** Bytes of a configuration; the same values give the same bytes. */
export function formatConfig(config: ImageConfig): Uint8Array {
  const { platform, created, author, diffIds, run } = config;
  const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const document = {
    created,
    author,
    architecture: platform.architecture,
    variant: platform.variant,
    os: platform.os,
    config: {
      User: run.user,
      ExposedPorts: run.ports && keys(run.ports.map(({ protocol, port }) => `${port}/${protocol}`)),
      Env: run.environ && [...run.environ].map(([name, value]) => `${name}=${value}`),
      Entrypoint: run.entrypoint,
      Cmd: run.cmd,
      Volumes: run.volumes && keys(run.volumes),
      WorkingDir: run.workdir,
      Labels: run.labels && Object.fromEntries(run.labels),
      StopSignal: run.stopsignal,
    },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created, created_by: 'g8ufs flist export' })),
  };
  return Buffer.from(JSON.stringify(document));
}
