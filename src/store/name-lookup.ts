/**
 * Addresses of hosts: one look-up at a time for each name and few in all, because each takes one of the few threads
 * that files of the cache need as well. When names cannot be looked up any more, the last addresses are used: what
 * a store sends is verified, and TLS checks whose it is.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { withDeadline } from '../base/deadline.ts';
import { Limiter } from '../base/limit.ts';

/** Half of the threads that Node has for names and files. */
const CONCURRENCY = 2;
const QUEUE_COUNT_MAX = 256;
/** Not asked again within this time: shorter than what any name server allows. */
const FRESH_MS = 5_000;
/** Less than connections have for all of it: by then the last addresses are used. */
const PATIENCE_MS = 2_000;
/** How long an address is used after names could be looked up. */
const STALE_MS = 3_600_000;
const NAME_COUNT_MAX = 256;

type Resolve = (host: string, options: LookupOptions) => Promise<LookupAddress[]>;

interface Known {
  readonly addresses: readonly LookupAddress[];
  readonly atMs: number;
}

export class NameLookup {
  readonly #resolve: Resolve;
  readonly #now: () => number;
  readonly #patienceMs: number;
  readonly #limiter = new Limiter({ shares: [CONCURRENCY], queueCountMax: QUEUE_COUNT_MAX });
  readonly #known = new Map<string, Known>();
  readonly #running = new Map<string, Promise<readonly LookupAddress[]>>();

  constructor(
    resolve: Resolve = resolveByHost,
    now: () => number = () => performance.now(),
    patienceMs = PATIENCE_MS,
  ) {
    this.#resolve = resolve;
    this.#now = now;
    this.#patienceMs = patienceMs;
  }

  /** All addresses of a host, of one family when `options` say so. @throws what the system says */
  async find(host: string, options: LookupOptions = {}): Promise<readonly LookupAddress[]> {
    const { family = 0, hints = 0 } = options;
    const key = `${host} ${family} ${hints}`;
    const known = this.#known.get(key);
    if (known !== undefined && this.#now() - known.atMs < FRESH_MS) return known.addresses;
    const running = this.#running.get(key) ?? this.#start(key, host, { family, hints });
    try {
      if (known === undefined) return await running;
      const deadline = { timeoutMs: this.#patienceMs, what: `The address of ${host}` };
      return await withDeadline(deadline, () => running);
    } catch (error) {
      if (known !== undefined && this.#now() - known.atMs < STALE_MS) return known.addresses;
      throw error;
    }
  }

  #start(key: string, host: string, options: LookupOptions): Promise<readonly LookupAddress[]> {
    const running = this.#limiter
      .run(() => this.#resolve(host, options), { priority: 0 })
      .then((addresses) => {
        this.#known.delete(key);
        this.#known.set(key, { addresses, atMs: this.#now() });
        const [oldest] = this.#known.keys();
        if (this.#known.size > NAME_COUNT_MAX && oldest !== undefined) this.#known.delete(oldest);
        return addresses;
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }
}

function resolveByHost(host: string, options: LookupOptions): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });
}

const names = new NameLookup();

/** For connections, in place of `dns.lookup`. */
export const lookUpName: LookupFunction = (host, options, callback) => {
  names.find(host, options as LookupOptions).then(
    (addresses) => {
      const [first] = addresses;
      if (options.all === true) callback(null, [...addresses]);
      else callback(null, first?.address ?? '', first?.family ?? 0);
    },
    (error: NodeJS.ErrnoException) => callback(error, ''),
  );
};
