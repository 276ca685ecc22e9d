/** What is done to a hub until it is killed: uploads, merges, removals and collections. */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import { createFlist } from '../../../src/image/create.ts';
import { addon } from '../../../src/native/load.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { collect } from './collect.ts';
import { type Acknowledged, type Counts, type Loaded, OWNER } from './state.ts';

const FLIST_COUNT_MAX = 24;
const WORKER_COUNT = 3;
const ONCE = { attemptCount: 1, delayMsMin: 1, delayMsMax: 1, totalMs: 30_000 } as const;

export class Load {
  readonly #url: string;
  readonly #dir: string;
  readonly #token: string;
  readonly #graceMs: number;
  readonly #known: Acknowledged;
  readonly #counts: Counts;
  readonly #client: HubClient;
  readonly #ended = new AbortController();
  /** Names that somebody is at: one at a time, so that it is known what is right. */
  readonly #busy = new Set<string>();

  constructor({ url, dir, token, graceMs }: Loaded, known: Acknowledged, counts: Counts) {
    this.#graceMs = graceMs;
    this.#url = url;
    this.#dir = dir;
    this.#token = token;
    this.#known = known;
    this.#counts = counts;
    this.#client = new HubClient(url, { http: { token }, retry: ONCE });
  }

  async run(): Promise<void> {
    const workers = Array.from({ length: WORKER_COUNT }, (_, i) =>
      this.#repeat(() => this.#step(i)),
    );
    await Promise.all([
      ...workers,
      this.#repeat(() => this.#uploadChunks()),
      this.#repeat(() => this.#collect()),
    ]);
    await this.#client.close();
  }

  stop(): void {
    this.#ended.abort();
  }

  async #repeat(step: () => Promise<void>): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await step();
      } catch (error) {
        if (!isG8Error(error) && !(error instanceof TypeError)) throw error;
        this.#counts.cut++;
        // The hub is gone, and the load is about to be stopped.
        await pause(20);
      }
    }
  }

  async #step(worker: number): Promise<void> {
    const present = [...this.#known.flists].filter(([, md5]) => md5 !== undefined);
    const chance = Math.random();
    const name = `f${Math.floor(Math.random() * FLIST_COUNT_MAX)}`;
    await this.#alone(name, async () => {
      if (chance < 0.25 && this.#known.flists.get(name) !== undefined) await this.#remove(name);
      else if (chance < 0.5 && present.length > 1) await this.#merge(name, present);
      else await this.#publish(name, worker);
    });
  }

  /** Nothing is known of the name while its request is under way. */
  async #alone(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(name)) {
      await pause(1);
      return;
    }
    this.#busy.add(name);
    this.#known.unsure.add(name);
    try {
      await work();
      this.#known.unsure.delete(name);
    } finally {
      this.#busy.delete(name);
    }
  }

  async #publish(name: string, worker: number): Promise<void> {
    const source = join(this.#dir, `work/${worker}`);
    await rm(source, { recursive: true, force: true });
    await mkdir(source);
    await writeFile(join(source, 'new'), randomBytes(1 + Math.floor(Math.random() * 700_000)));
    // Some that other flists have as well, and that are garbage now and then.
    const shared = Math.floor(Math.random() * 8);
    await writeFile(join(source, 'shared'), Buffer.alloc(20_000, `shared ${shared}`));
    const output = join(this.#dir, `work/${worker}.flist`);
    const start = performance.now();
    await createFlist({ source, output, store: this.#client.chunks, addon: addon() });
    const { md5 } = await this.#client.uploadFlist({ repository: OWNER, name, source: output });
    this.#known.flists.set(name, md5);
    this.#counts.published++;
    this.#tookMs(performance.now() - start);
  }

  async #merge(name: string, present: readonly (readonly [string, unknown])[]): Promise<void> {
    const [first, second] = [0, 1].map(
      () => present[Math.floor(Math.random() * present.length)]?.[0],
    );
    const start = performance.now();
    const response = await fetch(`${this.#url}/api/flist/me/merge/${name}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify([`${OWNER}/${first}`, `${OWNER}/${second}`]),
    });
    await response.text();
    // A source that was removed meanwhile.
    if (!response.ok) return;
    this.#tookMs(performance.now() - start);
    const md5 = await this.#client.flistMd5({ repository: OWNER, name });
    this.#known.flists.set(name, md5);
    this.#counts.merged++;
  }

  #tookMs(ms: number): void {
    this.#counts.publishMsMax = Math.max(this.#counts.publishMsMax, Math.round(ms));
  }

  async #remove(name: string): Promise<void> {
    await this.#client.deleteFlist({ repository: OWNER, name });
    this.#known.flists.set(name, undefined);
    this.#counts.removed++;
  }

  async #uploadChunks(): Promise<void> {
    const chunks = Array.from({ length: 1 + Math.floor(Math.random() * 12) }, () => {
      const bytes = randomBytes(1 + Math.floor(Math.random() * 60_000));
      return { id: toHex(blake2b(bytes, 32)), bytes };
    });
    const started = Date.now();
    for await (const sent of this.#client.uploadChunks(chunks)) {
      if ('error' in sent) throw sent.error;
      this.#known.chunks.set(sent.id, started);
      this.#counts.chunks++;
    }
    await pause(5);
  }

  async #collect(): Promise<void> {
    const { deleted } = await collect(this.#url, this.#dir, this.#graceMs);
    this.#counts.collections++;
    this.#counts.deleted += deleted;
    await pause(50);
  }
}
