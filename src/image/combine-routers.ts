/** Routers of several flists as one, so that the chunks of each stay reachable. Pure. */
import { G8Error } from '../base/errors.ts';
import { parseRouter, ROUTER_SIZE_MAX, type RouterConfig } from '../store/router-config.ts';
import { formatRouter } from './router.ts';

type Destinations = Record<string, string>;

/** A router's text with where it came from, for messages. */
export interface NamedRouter {
  readonly source: string;
  readonly router: string | undefined;
}

/**
 * One router that looks where each of the others does, in their order. A pool that an earlier router has
 * as well is not asked twice.
 *
 * @returns `undefined` when none of them has one; the text itself when they are all the same
 * @throws ERR_CONFIG when one is malformed, ERR_CREATE when the result is larger than a reader takes
 */
export function combineRouters(routers: readonly NamedRouter[]): string | undefined {
  const texts = routers.filter(({ router }) => router !== undefined);
  const [first] = texts;
  if (texts.every(({ router }) => router === first?.router)) return first?.router;
  const parsed = texts.map(({ source, router }) => parseRouter(router as string, `of ${source}`));
  const pools = new Map<string, Destinations>();
  const lookup: string[] = [];
  const known = new Set<string>();
  for (const [index, router] of parsed.entries()) {
    for (const name of router.lookup) {
      const destinations = destinationsOf(router, name);
      const text = JSON.stringify(destinations);
      if (known.has(text)) continue;
      known.add(text);
      const unique = pools.has(name) ? `${index}.${name}` : name;
      pools.set(unique, destinations);
      lookup.push(unique);
    }
  }
  return formatted(pools, lookup);
}

/** The router with one more store to look in, unless it looks there already. */
export function withRoute(router: string | undefined, url: string, source: string): string {
  const added = formatRouter(url);
  if (router === undefined) return added;
  const { pools, lookup } = parseRouter(router, `of ${source}`);
  const isThere = lookup.some((name) => pools.get(name)?.some(reachesAll(url)) === true);
  if (isThere) return router;
  return combineRouters([
    { source, router },
    { source, router: added },
  ]) as string;
}

function reachesAll(url: string) {
  return (destination: { range: { first: string; last: string }; url: string }): boolean =>
    destination.url.replace(/\/$/, '') === url &&
    /^0+$/.test(destination.range.first) &&
    /^f+$/.test(destination.range.last);
}

function destinationsOf({ pools }: RouterConfig, name: string): Destinations {
  const destinations = (pools.get(name) ?? []).map(({ range: { first, last }, url }) => [
    first === last ? first : `${first}:${last}`,
    url,
  ]);
  return Object.fromEntries(destinations) as Destinations;
}

function formatted(pools: ReadonlyMap<string, Destinations>, lookup: readonly string[]): string {
  // JSON strings are YAML, whatever they hold.
  const lines = ['pools:'];
  for (const [name, destinations] of pools) {
    lines.push(`  ${JSON.stringify(name)}:`);
    for (const [range, url] of Object.entries(destinations)) {
      lines.push(`    ${JSON.stringify(range)}: ${JSON.stringify(url)}`);
    }
  }
  lines.push('lookup:', ...lookup.map((name) => `  - ${JSON.stringify(name)}`), '');
  const text = lines.join('\n');
  try {
    parseRouter(text, 'of the result');
  } catch (error) {
    throw new G8Error(
      'ERR_CREATE',
      `The routers together are more than one can hold (${ROUTER_SIZE_MAX} bytes, 64 pools)`,
      { cause: error },
    );
  }
  return text;
}
