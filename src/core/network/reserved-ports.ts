/** Ports of the host that were promised to somebody for a short time, in this process. */
import { readFile } from 'node:fs/promises';
import { G8Error } from '../../base/errors.ts';
import { parseForwardKey } from './forward.ts';
import type { NetworkRecord } from './record.ts';

const FIRST = 1024;
const LAST = 65_535;
const KEPT_MS = 120_000;
const COUNT_MAX = 1024;
const SOCKETS = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
const LISTENING = '0A';

export class ReservedPorts {
  readonly #untilMs = new Map<number, number>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Promises ports at which nobody listens and that are not forwarded, the lowest first, for two minutes.
   *
   * @throws ERR_USAGE when the count is not from 1 to 1024, or so many are not free
   */
  async reserve(count: number, record: NetworkRecord): Promise<number[]> {
    if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX) {
      throw new G8Error('ERR_USAGE', `Between 1 and ${COUNT_MAX} ports can be reserved`);
    }
    const used = new Set([...(await listeningPorts()), ...forwardedPorts(record)]);
    const now = this.#now();
    for (const [port, untilMs] of this.#untilMs) if (untilMs <= now) this.#untilMs.delete(port);
    const found: number[] = [];
    for (let port = FIRST; port <= LAST && found.length < count; port++) {
      if (!used.has(port) && !this.#untilMs.has(port)) found.push(port);
    }
    if (found.length < count) throw new G8Error('ERR_USAGE', `No ${count} ports are free`);
    for (const port of found) this.#untilMs.set(port, now + KEPT_MS);
    return found;
  }
}

async function listeningPorts(): Promise<number[]> {
  const texts = await Promise.all(SOCKETS.map((path) => readFile(path, 'latin1').catch(() => '')));
  return texts.flatMap((text) =>
    text.split('\n').flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      const port = local?.split(':').at(-1);
      return state === LISTENING && port !== undefined ? [Number.parseInt(port, 16)] : [];
    }),
  );
}

function forwardedPorts(record: NetworkRecord): number[] {
  return Object.values(record.containers).flatMap(({ forwards }) =>
    forwards.map(({ key }) => parseForwardKey(key).port),
  );
}
