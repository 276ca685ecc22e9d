/** What a hub that is killed again and again has answered for, and how it is reached. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface HubCrashResult {
  readonly rounds: number;
  /** Acknowledged before a kill, over all rounds. */
  readonly published: number;
  readonly merged: number;
  readonly removed: number;
  readonly chunks: number;
  readonly collections: number;
  /** Garbage that collections have deleted. */
  readonly deleted: number;
  /** Requests that a kill has cut. */
  readonly cut: number;
  /** Milliseconds from a kill to a hub that is ready, at most. */
  readonly readyMsMax: number;
  /**
   * Milliseconds from the first chunk of a flist to the answer that it is published, at most. What takes longer than the
   * grace period is not promised its chunks, so a run in which this is above it shows nothing.
   */
  readonly publishMsMax: number;
  readonly violations: readonly string[];
}

export type Counts = {
  -readonly [Name in keyof Omit<HubCrashResult, 'rounds' | 'violations'>]: number;
};

/** What the hub has answered for. */
export class Acknowledged {
  /** MD5 by name; `undefined` when it is gone. */
  readonly flists = new Map<string, string | undefined>();
  /** Names with a request that got no answer: either state is right. */
  readonly unsure = new Set<string>();
  readonly chunks = new Map<string, number>();
}

/** A hub under load, as it is reached. */
export interface Loaded {
  readonly url: string;
  readonly dir: string;
  readonly token: string;
  readonly graceMs: number;
}

/** User and repository of the load. */
export const OWNER = 'alice';

export async function adminToken(dir: string): Promise<string> {
  return (await readFile(join(dir, 'hub/admin-token'), 'utf8')).trim();
}
