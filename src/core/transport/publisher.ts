/** Where jobs' flags, results and messages go: the client's side of Redis. */
import type { Redis } from 'ioredis';
import type { JobMessage } from '../job/job.ts';
import type { JobSink } from '../job/jobs.ts';
import type { Command } from './command.ts';
import { flagKey, RESULT_TTL_S, resultKey } from './keys.ts';
import type { Outbox } from './outbox.ts';
import type { Records } from './records.ts';
import { untilAnswered } from './redis.ts';
import { formatResult, type Result } from './result.ts';

export class Publisher implements JobSink {
  readonly #redis: Redis;
  readonly #outbox: Outbox;
  readonly #records: Records;

  constructor(redis: Redis, outbox: Outbox, records: Records) {
    this.#redis = redis;
    this.#outbox = outbox;
    this.#records = records;
  }

  /** Whether a job of this id runs or has run within the last minutes. @throws ERR_ABORTED */
  async isKnown(id: string, signal: AbortSignal): Promise<boolean> {
    return (await untilAnswered(() => this.#redis.exists(flagKey(id)), signal)) === 1;
  }

  /** Tells the client that its command was taken; it waits for this. @throws ERR_ABORTED */
  async acknowledge(id: string, signal: AbortSignal): Promise<void> {
    await untilAnswered(() => this.#redis.rpush(flagKey(id), ''), signal);
  }

  publishMessage(core: number, command: Command, message: JobMessage): void {
    this.#records.publish(core, command, message);
  }

  publishResult(result: Result): void {
    const { id } = result.command;
    const text = formatResult(result);
    this.#outbox.push({
      commands: [
        ['EXPIRE', flagKey(id), RESULT_TTL_S],
        ['RPUSH', resultKey(id), text],
        ['EXPIRE', resultKey(id), RESULT_TTL_S],
      ],
      beforeRetry: [['DEL', resultKey(id)]],
      isImportant: true,
      size: text.length,
      // A server that has lost its memory knows no flag any more, and a client looks for it first.
      onReplies: ([expired]) => {
        if (expired === 0) this.#setFlag(id, [['EXPIRE', flagKey(id), RESULT_TTL_S]]);
      },
    });
  }

  /** Publishes a result unless there is one: it may have been the last that a daemon did before its end. */
  publishMissing(result: Result): void {
    const { id } = result.command;
    this.#outbox.push({
      commands: [['EXISTS', resultKey(id)]],
      isImportant: true,
      size: id.length,
      onReplies: ([count]) => {
        if (count === 0) this.publishResult(result);
      },
    });
  }

  /** Sets the flags again that a server without a memory has lost. */
  restoreFlags(ids: Iterable<string>, isAlive: (id: string) => boolean): void {
    for (const id of ids) {
      this.#outbox.push({
        commands: [['EXISTS', flagKey(id)]],
        isImportant: true,
        size: id.length,
        onReplies: ([count]) => {
          if (count === 0 && isAlive(id)) this.#setFlag(id, []);
        },
      });
    }
  }

  #setFlag(id: string, more: readonly (readonly [string, string, number])[]): void {
    const commands = [['RPUSH', flagKey(id), ''] as const, ...more];
    this.#outbox.push({ commands, isImportant: true, size: id.length });
  }
}
