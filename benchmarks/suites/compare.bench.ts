/**
 * From nothing to a running program, and to every byte read once, beside what else there is: each peer
 * of `compare/peers.ts` over loopback and over a slow link, with the bytes and requests that it took.
 *
 * _From nothing_: empty caches and folders on the client; what is served is in the server's page cache.
 * Peers take turns within a round. `local …` have their image or tree on the local disk: what a start costs
 * when nothing has to be fetched. The slow link is a proxy (support/slow-link.ts) with delay and rate, but
 * without TCP's slow start.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { withFileServer } from '../compare/file-server.ts';
import type { Peer, Servers } from '../compare/peer.ts';
import { PEERS } from '../compare/peers.ts';
import { withRegistry } from '../compare/registry.ts';
import { median, run, type SuiteOptions, withFolder, withHub } from '../harness.ts';
import { SlowLink } from '../support/slow-link.ts';
import { debianRoot } from './debian-root.bench.ts';

const PLACE = process.env['G8UFS_COMPARE'] ?? '/var/tmp/g8ufs-compare';
const ROUNDS = 3;
const WORKLOAD_TIMEOUT_S = 300;
const LINKS = [
  { name: 'loopback', roundTripMs: 0, bitsPerSecond: Number.POSITIVE_INFINITY },
  { name: '20 ms, 200 Mbit/s', roundTripMs: 20, bitsPerSecond: 200e6 },
] as const;
const WORKLOADS = {
  start: ['python3', '-c', 'import json,sqlite3,ssl; print(1)'],
  sweep: ['sh', '-c', 'find / -xdev -type f -print0 | xargs -0 cat | wc -c'],
} as const;
type Workload = keyof typeof WORKLOADS;

interface Sample {
  readonly seconds: number;
  readonly megabytes: number;
  readonly requests: number;
}

interface Line {
  readonly workload: Workload;
  readonly link: string;
  readonly peer: string;
  readonly seconds: { readonly median: number; readonly low: number; readonly high: number };
  /** Of g8ufs's median in the same run; below 1 is faster than g8ufs. */
  readonly ratio: number | null;
  readonly megabytes: number;
  readonly requests: number;
}

export async function runSuite(options: SuiteOptions): Promise<Record<string, unknown>> {
  const { quick, only, rounds = quick ? 1 : ROUNDS } = options;
  const peers = PEERS.filter((peer) => isWanted(peer, only) && isInstalled(peer));
  const tree = await debianRoot();
  mkdirSync(PLACE, { recursive: true });
  return withServers(peers, async (servers) => {
    const failed = new Map<string, string>();
    for (const peer of peers) await attempt(peer, failed, () => peer.prepare(tree, PLACE, servers));
    const lines: Line[] = [];
    for (const link of LINKS) {
      for (const workload of quick ? (['start'] as const) : (['start', 'sweep'] as const)) {
        const samples = new Map<string, Sample[]>();
        for (let round = 0; round < rounds; round++) {
          for (const peer of peers) {
            if (failed.has(peer.name)) continue;
            if (peer.server === undefined && link !== LINKS[0]) continue;
            const sample = await attempt(peer, failed, () =>
              measure(peer, servers, link, workload),
            );
            if (sample === undefined) continue;
            samples.set(peer.name, [...(samples.get(peer.name) ?? []), sample]);
          }
        }
        lines.push(...linesOf(workload, link.name, samples));
      }
    }
    const ends = [...failed].map(([peer, why]) => `${peer} failed: ${why}`);
    return { lines, failed: ends, text: [...lines.map(lineText), ...ends].join('\n') };
  });
}

/** A peer that fails is left out from then on; the others go on without it. Our own failure ends the run. */
async function attempt<T>(
  { name }: Peer,
  failed: Map<string, string>,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (name.startsWith('g8ufs')) throw error;
    // The last line is the program's own, the first repeats its command.
    failed.set(name, (error as Error).message.trim().split('\n').at(-1) ?? '');
    return undefined;
  }
}

/** `--only` takes parts of peers' names, with commas between; g8ufs is always measured, for the ratio. */
function isWanted({ name }: Peer, only: string | undefined): boolean {
  return name === 'g8ufs' || (only?.split(',').some((part) => name.includes(part)) ?? true);
}

function isInstalled({ name, needs }: Peer): boolean {
  const missing = needs.find(([path]) => !existsSync(path));
  if (missing !== undefined) console.log(`${name} is left out: apt-get install ${missing[1]}`);
  return missing === undefined;
}

async function measure(
  peer: Peer,
  servers: Servers,
  options: (typeof LINKS)[number],
  workload: Workload,
): Promise<Sample> {
  const link =
    peer.server === undefined ? undefined : await SlowLink.open(servers[peer.server], options);
  try {
    const seen =
      link === undefined ? servers : { files: link.url, hub: link.url, registry: link.url };
    return await withFolder(async (dir) => {
      const start = performance.now();
      const root = await peer.up(seen, dir, PLACE);
      try {
        await runFor(WORKLOAD_TIMEOUT_S, ...root.inRoot(WORKLOADS[workload]));
        const seconds = (performance.now() - start) / 1000;
        const { bytes, requests } = link?.take() ?? { bytes: 0, requests: 0 };
        return { seconds, megabytes: bytes / 1e6, requests };
      } finally {
        await root.down();
      }
    });
  } finally {
    await link?.close();
  }
}

/** coreutils' timeout: a workload that hangs in a peer's mount must not hold the run. */
function runFor(seconds: number, program: string, args: readonly string[]): Promise<string> {
  return run('timeout', ['--kill-after=5', String(seconds), program, ...args]);
}

/** A file server, a hub and, for who needs one, a registry over what has been prepared. */
async function withServers<T>(
  peers: readonly Peer[],
  work: (servers: Servers) => Promise<T>,
): Promise<T> {
  return await withFileServer(PLACE, (files) =>
    withHub(join(PLACE, 'hub'), async (hub) => {
      if (!peers.some(({ server }) => server === 'registry')) {
        return await work({ files, hub, registry: '' });
      }
      const folder = join(PLACE, 'registry');
      mkdirSync(folder, { recursive: true });
      return await withRegistry(folder, (registry) => work({ files, hub, registry }));
    }),
  );
}

function linesOf(workload: Workload, link: string, all: Map<string, Sample[]>): Line[] {
  const own = all.get('g8ufs')?.map(({ seconds }) => seconds);
  return [...all].map(([peer, samples]) => {
    const seconds = samples.map((sample) => sample.seconds);
    return {
      workload,
      link,
      peer,
      seconds: { median: median(seconds), low: Math.min(...seconds), high: Math.max(...seconds) },
      ratio: own === undefined ? null : median(seconds) / median(own),
      megabytes: median(samples.map((sample) => sample.megabytes)),
      requests: median(samples.map((sample) => sample.requests)),
    };
  });
}

function lineText({ workload, link, peer, seconds, ratio, megabytes, requests }: Line): string {
  const spread = `(${seconds.low.toFixed(2)} to ${seconds.high.toFixed(2)})`;
  return [
    `${workload}, ${link}`.padEnd(26),
    peer.padEnd(26),
    `${seconds.median.toFixed(2)} s`.padStart(9),
    spread.padEnd(18),
    `${ratio?.toFixed(2) ?? '-'} x`.padStart(8),
    `${megabytes.toFixed(1)} MB`.padStart(10),
    `${requests}`.padStart(6),
  ].join(' ');
}
