/** One running guest program: requests out, replies in, until it ends. */
import { G8Error } from '../../base/errors.ts';
import type { Place, PlaceProcess } from '../job/place.ts';
import { encodeRequest, type Field, type Operation, type Reply, ReplyReader } from './frame.ts';

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly onPart: (reply: Reply) => void;
}

/** An operation that the kernel has refused inside the place. */
export class ErrnoFailure extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

const SIGKILL = 9;

export class GuestProgram {
  readonly #process: PlaceProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #isGone = false;

  private constructor(process: PlaceProcess) {
    this.#process = process;
    const reader = new ReplyReader();
    process.stdout.on('data', (bytes: Buffer) => {
      try {
        for (const reply of reader.push(bytes)) this.#onReply(reply);
      } catch {
        // It is no guest program any more, whoever has made it so.
        this.end();
      }
    });
    process.stderr.resume();
    void process.exited.then(() => {
      this.#isGone = true;
      for (const { reject } of this.#waiting.values()) reject(gone());
    });
  }

  /** @throws CommandError when the place cannot start it */
  static async start(place: Place): Promise<GuestProgram> {
    const argv = [place.guestProgram] as const;
    return new GuestProgram(await place.start({ argv, env: {}, cwd: '', stdin: 'pipe' }));
  }

  /** Requests that have no reply yet. */
  get pending(): number {
    return this.#waiting.size;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Settles when it has ended. */
  get ended(): Promise<unknown> {
    return this.#process.exited;
  }

  /**
   * @param onPart told of each part of a reply that has some
   * @returns the last part
   * @throws ErrnoFailure; ERR_STORE_UNAVAILABLE when the program has ended
   */
  async request(
    operation: Operation,
    fields: readonly Field[],
    onPart: (reply: Reply) => void,
  ): Promise<Reply> {
    if (this.#isGone) throw gone();
    const id = this.#nextId;
    this.#nextId = (id % 0xffff_ffff) + 1;
    const frame = encodeRequest(id, operation, fields);
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject, onPart });
        this.#process.stdin?.write(frame);
      });
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Ends it by force; what was asked of it fails. */
  end(): void {
    this.#isGone = true;
    this.#process.kill(SIGKILL);
  }

  #onReply(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (reply.kind === 'part') waiting?.onPart(reply);
    else if (reply.kind === 'error') waiting?.reject(new ErrnoFailure(reply.fields.u32()));
    else waiting?.resolve(reply);
  }
}

function gone(): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', 'The guest program has ended');
}
