/**
 * Where jobs run: the host or one container. A place turns a request into a child process of the daemon;
 * everything above it is the same for both.
 */
import type { Readable, Writable } from 'node:stream';

export interface ProcessRequest {
  /** Program and arguments. A program without a slash is looked for on the place's PATH. */
  readonly argv: readonly [program: string, ...args: string[]];
  /** Added to the environment that the place has by itself. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder, as the place sees it; `''`: the place's own. */
  readonly cwd: string;
  /** `null`: /dev/null. */
  readonly stdin: 'pipe' | 'null';
}

/** Exactly one of the two is set. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: string | null;
}

/** A running process. It leads a process group of its own, which is what signals go to. */
export interface PlaceProcess {
  /** Process and group id as the host sees them. */
  readonly pid: number;
  /** `null` when the request asked for none. */
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the process itself has ended; its pipes may stay open in others' hands. Never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /**
   * Sends a signal to the whole group.
   *
   * @returns false when nobody is left to get it
   */
  kill(signal: number): boolean;
}

export interface Place {
  /** 0: the host; else the id of the container. */
  readonly core: number;
  /** The guest program, as the place sees it. */
  readonly guestProgram: string;
  /** Words in front of a host program that shall see the place's network: none, or `nsenter --net=…`. */
  readonly networkPrefix: readonly string[];
  /**
   * Starts a process; the caller owns it until it has ended.
   *
   * @throws CommandError 404 when there is no such program, 500 when it cannot be started
   */
  start(request: ProcessRequest): Promise<PlaceProcess>;
}
