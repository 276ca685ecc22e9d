/** Images that are bundles bring their chunks along: those are asked before any other store. */
import { resolve } from 'node:path';
import { bundleUrl, isBundle } from './bundle.ts';
import { ALL_IDS } from './id-range.ts';
import type { RouterConfig } from './router-config.ts';

const POOL = 'bundle';

/**
 * @param sources paths or URLs of images
 * @returns `undefined` when none of them is a bundle
 */
export async function bundleRouter(sources: readonly string[]): Promise<RouterConfig | undefined> {
  const destinations: { range: typeof ALL_IDS; url: string }[] = [];
  for (const source of sources) {
    if (/^https?:\/\//i.test(source) || !(await isBundle(source))) continue;
    destinations.push({ range: ALL_IDS, url: bundleUrl(resolve(source)) });
  }
  if (destinations.length === 0) return undefined;
  const pools = new Map([[POOL, destinations]]);
  return { name: POOL, pools, lookup: [POOL], cache: [] };
}
