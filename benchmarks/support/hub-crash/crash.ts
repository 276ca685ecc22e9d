/**
 * Kills a hub at random points of uploads, merges, removals and collections, starts it again each time, and looks
 * whether all that it has answered for is there: no acknowledged flist or chunk lost, none that was removed back, no
 * chunk collected that a flist refers to, a catalogue that agrees with itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { HubAdmin } from '../../../src/store/hub-admin.ts';
import { collect } from './collect.ts';
import { Load } from './load.ts';
import { Acknowledged, adminToken, type Counts, type HubCrashResult, OWNER } from './state.ts';
import { verify } from './verify.ts';

export interface HubCrashOptions {
  /** The program: `node`'s arguments up to the command. */
  readonly program: readonly string[];
  readonly dir: string;
  readonly rounds: number;
  /** Default {@link GRACE_MS}. */
  readonly graceMs?: number;
  /** Told after each round what is wrong so far. */
  readonly onRound?: (round: number, violations: readonly string[]) => void;
}

/** Longer than what is uploaded takes to be referred to, shorter than a round. */
const GRACE_MS = 20_000;
const LOAD_MS_MIN = 100;
const LOAD_MS_MAX = 2_500;
const READY_MS_MAX = 120_000;

/** @throws when the hub does not start again; what it did wrong otherwise is in the result */
export async function crashHub(options: HubCrashOptions): Promise<HubCrashResult> {
  const { dir, rounds, graceMs = GRACE_MS, onRound } = options;
  const counts: Counts = {
    published: 0,
    merged: 0,
    removed: 0,
    chunks: 0,
    collections: 0,
    deleted: 0,
    cut: 0,
    readyMsMax: 0,
    publishMsMax: 0,
  };
  const violations: string[] = [];
  const known = new Acknowledged();
  await mkdir(join(dir, 'work'), { recursive: true });
  let hub = await startHub(options);
  try {
    const token = await makeUser(hub.url, dir);
    for (let round = 1; round <= rounds; round++) {
      const load = new Load({ url: hub.url, dir, token, graceMs }, known, counts);
      const running = load.run();
      await pause(LOAD_MS_MIN + Math.random() * (LOAD_MS_MAX - LOAD_MS_MIN));
      const killed = performance.now();
      await kill(hub.child);
      load.stop();
      await running;
      hub = await startHub(options);
      counts.readyMsMax = Math.max(counts.readyMsMax, Math.round(performance.now() - killed));
      const whole = await collect(hub.url, dir, graceMs);
      counts.collections++;
      counts.deleted += whole.deleted;
      const found = await verify({ url: hub.url, dir, token, graceMs }, known);
      violations.push(...found.map((text) => `round ${round}: ${text}`));
      onRound?.(round, violations);
    }
  } finally {
    await kill(hub.child);
  }
  return { rounds, ...counts, violations };
}

interface RunningHub {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startHub({ program, dir }: HubCrashOptions): Promise<RunningHub> {
  const args = [
    'hub',
    'serve',
    '--data',
    join(dir, 'hub'),
    '--listen',
    '127.0.0.1:0',
    '--requests',
    '0',
  ];
  const child = spawn(process.execPath, [...program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (text) => {
    said = `${said}${text}`.slice(-4096);
  });
  const late = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX);
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout?.once('data', (line: Buffer) => resolve(line.toString().trim()));
      child.once('exit', () => reject(new Error(`The hub does not start: ${said}`)));
    });
    const ready = await fetch(`${url}/ready`);
    if (!ready.ok) throw new Error(`The hub is not ready: ${await ready.text()}`);
    return { url, child };
  } catch (error) {
    await kill(child);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function makeUser(url: string, dir: string): Promise<string> {
  const admin = new HubAdmin(url, { token: await adminToken(dir) });
  try {
    await admin.createUser({ name: OWNER });
    return (await admin.createToken({ user: OWNER, scope: 'publish' })).token;
  } finally {
    await admin.close();
  }
}
