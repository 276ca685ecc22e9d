/**
 * Files and processes of a place, by a guest program that runs there: paths mean what they mean inside, and
 * nothing outside can be reached by links or `..`.
 *
 * One program per place, started with the first request and ended when nothing was asked for a while and no
 * file is open. Requests may run at the same time; each has a deadline, and a program that misses one or
 * breaks the protocol is ended with everything that was asked of it.
 */
import { getSystemErrorMap } from 'node:util';
import { withDeadline } from '../../base/deadline.ts';
import { isG8Error } from '../../base/errors.ts';
import { CommandError } from '../command/error.ts';
import type { Place } from '../job/place.ts';
import { Descriptors } from './descriptors.ts';
import type { Field, Operation, Reply } from './frame.ts';
import { ErrnoFailure, GuestProgram } from './program.ts';

export interface GuestOptions {
  /** Default 60 000: a disk may be slow. */
  readonly requestTimeoutMs?: number;
  /** For what goes through a whole tree; default 3 600 000. */
  readonly treeTimeoutMs?: number;
  /** After this time without requests and open files the program is ended; default 60 000. */
  readonly idleMs?: number;
}

const REQUEST_TIMEOUT_MS = 60_000;
const TREE_TIMEOUT_MS = 3_600_000;
const IDLE_MS = 60_000;
const PENDING_MAX = 256;
/** What SIGKILL takes on a loaded machine. */
const STOP_MS = 5_000;

const TREE_OPERATIONS: ReadonlySet<Operation> = new Set(['remove', 'chmod', 'chown']);

export class Guest {
  /** Files that clients have open. */
  readonly descriptors = new Descriptors(this);
  readonly #place: Place;
  readonly #options: Required<GuestOptions>;
  #starting: Promise<GuestProgram> | undefined;
  #program: GuestProgram | undefined;
  #idle: NodeJS.Timeout | undefined;
  #openFiles = 0;

  constructor(place: Place, options: GuestOptions = {}) {
    this.#place = place;
    this.#options = {
      requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      treeTimeoutMs: options.treeTimeoutMs ?? TREE_TIMEOUT_MS,
      idleMs: options.idleMs ?? IDLE_MS,
    };
  }

  /** Keeps the program, and with it the files that are open in it. @returns lets go of it */
  hold(): () => void {
    this.#openFiles++;
    return () => {
      this.#openFiles--;
      this.#restWhenIdle();
    };
  }

  /** Ends the program; a later request starts another. */
  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const program = this.#program ?? (await this.#starting?.catch(() => undefined));
    this.#program = undefined;
    this.descriptors.forgetAll();
    if (program === undefined) return;
    program.end();
    const stopping = { timeoutMs: STOP_MS, what: 'Ending the guest program' };
    // One that the kernel holds back ends when it can.
    await withDeadline(stopping, async () => program.ended).catch(() => {});
  }

  /**
   * @param what subject of an error's text, as `open /etc/passwd`
   * @param onPart told of each part of a reply that has some
   * @returns the last part
   * @throws CommandError 500 with the kernel's reason; 503 when the program is gone or too much is asked of it
   */
  async request(
    operation: Operation,
    fields: readonly Field[],
    what: string,
    onPart: (reply: Reply) => void = () => {},
  ): Promise<Reply> {
    const { requestTimeoutMs, treeTimeoutMs } = this.#options;
    const timeoutMs = TREE_OPERATIONS.has(operation) ? treeTimeoutMs : requestTimeoutMs;
    clearTimeout(this.#idle);
    try {
      const program = await this.#running();
      if (program.pending >= PENDING_MAX) throw new CommandError(503, 'too many file requests');
      const wait = () => program.request(operation, fields, onPart);
      return await withDeadline({ timeoutMs, what }, wait).catch((error: unknown) => {
        if (isG8Error(error, 'ERR_TIMEOUT')) program.end();
        throw error;
      });
    } catch (error) {
      if (error instanceof ErrnoFailure) {
        const [, reason] = getSystemErrorMap().get(-error.errno) ?? [];
        throw new CommandError(500, `${what}: ${reason ?? `error ${error.errno}`}`);
      }
      if (!isG8Error(error)) throw error;
      throw new CommandError(503, `${what}: ${error.message}`, { cause: error });
    } finally {
      this.#restWhenIdle();
    }
  }

  async #running(): Promise<GuestProgram> {
    if (this.#program !== undefined && !this.#program.isGone) return this.#program;
    this.#starting ??= this.#start();
    return await this.#starting;
  }

  async #start(): Promise<GuestProgram> {
    try {
      // The new one numbers its files as the old one did.
      this.descriptors.forgetAll();
      this.#program = await GuestProgram.start(this.#place);
      return this.#program;
    } finally {
      this.#starting = undefined;
    }
  }

  #restWhenIdle(): void {
    clearTimeout(this.#idle);
    if (this.#program === undefined || this.#program.pending > 0 || this.#openFiles > 0) return;
    this.#idle = setTimeout(() => void this.stop(), this.#options.idleMs);
    this.#idle.unref();
  }
}
