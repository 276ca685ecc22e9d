/** The protocol as its existing clients speak it: raw commands on Redis, nothing of ours. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';

export interface ResultDocument {
  readonly id: string;
  readonly command: string;
  readonly data: string;
  readonly level: number;
  readonly state: string;
  readonly code: number;
  readonly starttime: number;
  readonly time: number;
  readonly tags: string[] | null;
  readonly container: number;
  readonly streams?: [string, string];
  readonly critical?: string;
}

export interface StreamRecord {
  readonly core: number;
  readonly command: string;
  readonly message: { readonly message: string; readonly epoch: number; readonly meta: number };
}

// Seconds; what the captured clients wait.
const WAIT_S = 10;
const END_FLAGS = 0x6;

export class RawCoreClient {
  readonly redis: Redis;

  constructor(url: string) {
    this.redis = new Redis(url, { lazyConnect: true, enableReadyCheck: false });
    // A server that is stopped by a test is no news.
    this.redis.on('error', () => {});
  }

  /** Sends a command in the envelope of the captured examples. @returns its id */
  async send(
    command: string,
    args: Record<string, unknown> | undefined,
    more: Record<string, unknown> = {},
  ): Promise<string> {
    const document = {
      id: randomUUID(),
      command,
      arguments: args,
      queue: null,
      max_time: null,
      stream: false,
      tags: null,
      recurring_period: null,
      ...more,
    };
    await this.redis.rpush('core:default', JSON.stringify(document));
    return document.id;
  }

  /** Sends a command and waits until it was taken, as clients do. */
  async start(
    command: string,
    args?: Record<string, unknown>,
    more?: Record<string, unknown>,
  ): Promise<string> {
    const id = await this.send(command, args, more);
    const flag = `result:${id}:flag`;
    if ((await this.redis.brpoplpush(flag, flag, WAIT_S)) === null) {
      throw new Error(`${command} was not taken`);
    }
    return id;
  }

  /** @throws when the job is not known, or its result does not come in time */
  async result(id: string, seconds = WAIT_S): Promise<ResultDocument> {
    if ((await this.redis.exists(`result:${id}:flag`)) === 0) throw new Error(`No job ${id}`);
    const text = await this.redis.brpoplpush(`result:${id}`, `result:${id}`, seconds);
    if (text === null) throw new Error(`No result of ${id} in ${seconds} s`);
    return JSON.parse(text) as ResultDocument;
  }

  async run(
    command: string,
    args?: Record<string, unknown>,
    more?: Record<string, unknown>,
  ): Promise<ResultDocument> {
    return await this.result(await this.start(command, args, more));
  }

  /** What a built-in command returns. @throws its error */
  async json(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const { state, code, level, data } = await this.run(command, args);
    if (state !== 'SUCCESS') throw new Error(`${command}: ${code} ${data}`);
    if (level !== 20) throw new Error(`${command}: level ${level}`);
    return JSON.parse(data);
  }

  async bash(script: string, more?: Record<string, unknown>): Promise<ResultDocument> {
    return await this.run('bash', { script, stdin: '' }, more);
  }

  async system(words: string, more: Record<string, unknown> = {}): Promise<ResultDocument> {
    const [name, ...args] = words.split(' ');
    return await this.run('core.system', { name, args, dir: '', stdin: '', env: null }, more);
  }

  /** Records of a stream up to the one that ends it; as texts, since numbers lose digits of the epoch. */
  async stream(id: string): Promise<string[]> {
    const texts: string[] = [];
    for (;;) {
      const [, text] = (await this.redis.blpop(`stream:${id}`, WAIT_S)) ?? [];
      if (text === undefined) throw new Error(`The stream of ${id} has no end`);
      texts.push(text);
      if ((JSON.parse(text) as StreamRecord).message.meta & END_FLAGS) return texts;
    }
  }

  close(): void {
    this.redis.disconnect();
  }
}
