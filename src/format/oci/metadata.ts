/**
 * An image's configuration as settings of a flist, and back: docs/format.md, section 2.1. Entrypoint and
 * arguments are one argv there, with the arguments beside it once more, so that both can be told apart
 * again. Pure.
 */
import { z } from 'zod';
import type { Metadata } from '../flist/metadata.ts';
import type { ExposedPort, ImageConfig, RunConfig } from './config.ts';
import { checkDocument, parseJson } from './json.ts';
import { malformedImage, showText } from './malformed.ts';
import { formatPlatform, type Platform, parsePlatform } from './platform.ts';

/** Where an image came from. */
export interface ImageOrigin {
  /** Reference that others understand as well; a path of this machine is none. */
  readonly source?: string | undefined;
  /** Digest of the image's manifest. */
  readonly digest?: string | undefined;
}

/** Settings that say what the configuration says, in a fixed order. */
export function metadataOfConfig(config: ImageConfig, origin: ImageOrigin = {}): Metadata {
  const { run, platform, created, author } = config;
  const argv = [...(run.entrypoint ?? []), ...(run.cmd ?? [])];
  const ports = run.ports?.map(({ protocol, port }) => [`${protocol}/${port}`, port] as const);
  const texts: readonly (readonly [key: string, value: string | undefined])[] = [
    ['entrypoint', argv.length === 0 ? undefined : JSON.stringify(argv)],
    ['cmd', run.cmd?.length ? JSON.stringify(run.cmd) : undefined],
    ['environ', object(run.environ)],
    ['port', object(ports)],
    ['volume', object(run.volumes?.map((path) => [path, {}] as const))],
    ['workdir', run.workdir],
    ['user', run.user],
    ['stopsignal', run.stopsignal],
    ['labels', object(run.labels)],
    ['platform', formatPlatform(platform)],
    ['created', created],
    ['author', author],
    ['source', origin.source],
    ['source-digest', origin.digest],
  ];
  return new Map(texts.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function object(entries: Iterable<readonly [string, unknown]> | undefined): string | undefined {
  if (entries === undefined) return undefined;
  const value = Object.fromEntries(entries);
  return Object.keys(value).length === 0 ? undefined : JSON.stringify(value);
}

const argvSchema = z.array(z.string());
const textsSchema = z.record(z.string(), z.string());
const keysSchema = z.record(z.string(), z.unknown());

/**
 * The configuration that settings describe, but for its layers.
 *
 * @param fallback platform when the settings name none
 * @throws ERR_FLIST_FORMAT when a known setting has another form than docs/format.md says
 */
export function configOfMetadata(
  metadata: Metadata,
  fallback: Platform,
): Omit<ImageConfig, 'diffIds'> {
  const read = <T>(key: string, schema: z.ZodType<T>): T | undefined => {
    const value = metadata.get(key);
    if (value === undefined) return undefined;
    const what = `Setting '${key}' of the flist`;
    return checkDocument(parseJson(Buffer.from(value), what), schema, what);
  };
  const argv = read('entrypoint', argvSchema) ?? [];
  const cmd = read('cmd', argvSchema) ?? [];
  const environ = read('environ', textsSchema);
  const labels = read('labels', textsSchema);
  const volumes = read('volume', keysSchema);
  const ports = read('port', keysSchema);
  const platform = metadata.get('platform');
  const run: RunConfig = {
    ...splitArgv(argv, cmd),
    environ: environ && new Map(Object.entries(environ)),
    ports: ports && Object.keys(ports).map(portOfKey),
    volumes: volumes && Object.keys(volumes),
    workdir: metadata.get('workdir'),
    user: metadata.get('user'),
    labels: labels && new Map(Object.entries(labels)),
    stopsignal: metadata.get('stopsignal'),
  };
  return {
    platform: platform === undefined ? fallback : parsePlatform(platform),
    created: metadata.get('created'),
    author: metadata.get('author'),
    run,
  };
}

/** Arguments that are no longer the end of the argv were changed since: all of it is the entrypoint then. */
function splitArgv(
  argv: readonly string[],
  cmd: readonly string[],
): Pick<RunConfig, 'entrypoint' | 'cmd'> {
  const start = argv.length - cmd.length;
  const isEnd = cmd.length > 0 && start >= 0 && cmd.every((word, i) => argv[start + i] === word);
  const entrypoint = isEnd ? argv.slice(0, start) : argv;
  return {
    entrypoint: entrypoint.length === 0 ? undefined : entrypoint,
    cmd: isEnd ? cmd : undefined,
  };
}

function portOfKey(key: string): ExposedPort {
  const match = /^([a-z]{1,16})\/(\d{1,5})$/.exec(key);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535) {
    throw malformedImage(`Setting 'port' of the flist has the impossible port ${showText(key)}`);
  }
  return { protocol: match[1] as string, port };
}
