/**
 * The records of jobs' messages: to the stream of a job that has one, and to the loggers that want them.
 * The last ones are kept for loggers that come later.
 */
import { randomUUID } from 'node:crypto';
import { CommandError } from '../command/error.ts';
import type { JobMessage } from '../job/job.ts';
import type { Command } from './command.ts';
import { EpochClock } from './epoch-clock.ts';
import { loggerKey, STREAM_COUNT_MAX, STREAM_TTL_S, streamKey } from './keys.ts';
import type { Outbox } from './outbox.ts';

interface KeptRecord {
  readonly core: number;
  /** Of its job. */
  readonly id: string;
  readonly text: string;
  readonly epoch: bigint;
  readonly meta: number;
  readonly level: number;
  readonly isEnd: boolean;
}

export interface RecordsOptions {
  /** Records that a logger's list may have. */
  readonly loggerCountMax: number;
}

/** Flag of a record: it belongs to a stream. */
const STREAMED = 1;
const BACKLOG_COUNT_MAX = 1000;
const BACKLOG_LENGTH_MAX = 8 * 1024 * 1024;
const LOGGERS_MAX = 64;

export class Records {
  readonly #outbox: Outbox;
  readonly #options: RecordsOptions;
  readonly #clock = new EpochClock();
  readonly #backlog: KeptRecord[] = [];
  #backlogLength = 0;
  /** Levels by key; none are all. */
  readonly #loggers = new Map<string, ReadonlySet<number>>();

  constructor(outbox: Outbox, options: RecordsOptions) {
    this.#outbox = outbox;
    this.#options = options;
  }

  publish(core: number, command: Command, message: JobMessage): void {
    const { level, text, endFlags } = message;
    const meta = level * 0x1_0000 + (endFlags | (command.stream ? STREAMED : 0));
    const epoch = this.#clock.now();
    const record = { core, id: command.id, text, epoch, meta, level, isEnd: endFlags !== 0 };
    this.#keep(record);
    if (command.stream) {
      const stream = { key: streamKey(command.id), countMax: STREAM_COUNT_MAX, ttlS: STREAM_TTL_S };
      this.#outbox.pushTo(stream, [formatRecord(record)]);
    }
    for (const [key, levels] of this.#loggers) this.#toLogger(key, levels, [record]);
  }

  /**
   * Copies records of these levels to a list, those that are still kept first.
   *
   * @param name `''`: one is made up
   * @returns the key of the list
   * @throws CommandError 503 when there are too many loggers
   */
  subscribe(name: string, levels: readonly number[]): string {
    const key = loggerKey(name || randomUUID());
    if (this.#loggers.has(key)) return key;
    if (this.#loggers.size >= LOGGERS_MAX) throw new CommandError(503, 'too many loggers');
    const wanted = new Set(levels);
    this.#loggers.set(key, wanted);
    this.#toLogger(key, wanted, this.#backlog);
    return key;
  }

  /** @param key as {@link subscribe} has returned it; the list stays */
  unsubscribe(key: string): void {
    this.#loggers.delete(key);
  }

  #keep(record: KeptRecord): void {
    this.#backlog.push(record);
    this.#backlogLength += record.text.length;
    while (this.#backlog.length > BACKLOG_COUNT_MAX || this.#backlogLength > BACKLOG_LENGTH_MAX) {
      this.#backlogLength -= (this.#backlog.shift() as KeptRecord).text.length;
    }
  }

  #toLogger(key: string, levels: ReadonlySet<number>, records: readonly KeptRecord[]): void {
    const texts = records
      .filter(({ level, isEnd }) => isEnd || levels.size === 0 || levels.has(level))
      .map(formatRecord);
    this.#outbox.pushTo({ key, countMax: this.#options.loggerCountMax }, texts);
  }
}

/** JSON text by hand: the epoch has more digits than a number of JavaScript holds. */
function formatRecord({ core, id, text, epoch, meta }: KeptRecord): string {
  const message = `{"message":${JSON.stringify(text)},"epoch":${epoch},"meta":${meta}}`;
  return `{"core":${core},"command":${JSON.stringify(id)},"message":${message}}`;
}
