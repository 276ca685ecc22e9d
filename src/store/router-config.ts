/**
 * `router.yaml` as a plain value: pools of destinations by digest range, and the order to ask them.
 *
 * Comes inside flists, so it is hostile input: bounded, no aliases, every scalar is a string. Pure.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { G8Error } from '../base/errors.ts';
import { withoutCredentials } from './http-url.ts';
import type { IdRange } from './id-range.ts';
import { RESP_SCHEMES } from './resp-target.ts';
import { S3_SCHEMES } from './s3-target.ts';

export interface RouterConfig {
  /** Where it came from, for messages. */
  readonly name: string;
  readonly pools: ReadonlyMap<string, readonly RouterDestination[]>;
  /** Names of pools, in the order to look in; not empty. */
  readonly lookup: readonly string[];
  /** Names of pools to write chunks back to. */
  readonly cache: readonly string[];
}

export interface RouterDestination {
  readonly range: IdRange;
  readonly url: string;
}

/** A router is a handful of lines; the largest known has twenty. */
export const ROUTER_SIZE_MAX = 64 * 1024;
const POOL_COUNT_MAX = 64;
const DESTINATION_COUNT_MAX = 1024;
/** No id is longer. */
const RANGE_DIGITS_MAX = 64;
const RANGE_PATTERN = /^([0-9a-f]+)(?::([0-9a-f]+))?$/;

/** Schemes of destinations. */
const SCHEMES: readonly string[] = ['dir', 'file', 'http', 'https', ...RESP_SCHEMES, ...S3_SCHEMES];

const names = z.array(z.string().min(1).max(255)).max(POOL_COUNT_MAX);
// An empty value is an empty string here, since every scalar is one.
const optionalNames = z.union([names, z.literal('').transform((): string[] => [])]);
const schema = z.object({
  pools: z.record(z.string(), z.record(z.string(), z.string().max(2048))),
  lookup: names.min(1),
  cache: optionalNames.default([]),
});

/**
 * Parses a router.
 *
 * @param name where it came from, for messages
 * @throws ERR_CONFIG when it is malformed, names a pool it does not have, a range that is none or a
 *   scheme nobody knows
 */
export function parseRouter(text: string, name: string): RouterConfig {
  const problem = (reason: string, cause?: unknown) =>
    new G8Error('ERR_CONFIG', `Router ${name} ${reason}`, { cause });
  if (text.length > ROUTER_SIZE_MAX) throw problem(`is larger than ${ROUTER_SIZE_MAX} characters`);
  let document: unknown;
  try {
    // Failsafe: a range such as `00` or `12:30` is text in this schema and a number in the others.
    document = parse(text, { schema: 'failsafe', maxAliasCount: 0, logLevel: 'error' });
  } catch (error) {
    throw problem('is no YAML', error);
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw problem(`has an invalid ${issue?.path.join('.') || 'root'}: ${issue?.message}`);
  }
  const { lookup, cache } = parsed.data;
  const pools = new Map<string, RouterDestination[]>();
  for (const [pool, destinations] of Object.entries(parsed.data.pools)) {
    pools.set(
      pool,
      Object.entries(destinations).map(([range, url]) => parseDestination(range, url, problem)),
    );
  }
  const count = [...pools.values()].reduce((sum, pool) => sum + pool.length, 0);
  if (pools.size > POOL_COUNT_MAX || count > DESTINATION_COUNT_MAX) {
    throw problem('has too many destinations');
  }
  for (const pool of [...lookup, ...cache]) {
    if (!pools.has(pool)) throw problem(`names the pool ${JSON.stringify(pool)} and has none`);
  }
  return { name, pools, lookup, cache };
}

function parseDestination(
  range: string,
  url: string,
  problem: (reason: string) => G8Error,
): RouterDestination {
  const shown = JSON.stringify(range.slice(0, 2 * RANGE_DIGITS_MAX + 1));
  const [, first, last = first] = RANGE_PATTERN.exec(range.toLowerCase()) ?? [];
  if (first === undefined || last === undefined || first.length > RANGE_DIGITS_MAX) {
    throw problem(`has the invalid range ${shown}`);
  }
  if (first.length !== last.length) throw problem(`has ends of different length in ${shown}`);
  const scheme = /^[a-z][a-z0-9+.-]*(?=:\/\/)/i.exec(url)?.[0].toLowerCase();
  if (scheme === undefined || !SCHEMES.includes(scheme)) {
    throw problem(`has a destination of an unknown scheme: ${withoutCredentials(url)}`);
  }
  return { range: { first, last }, url };
}
