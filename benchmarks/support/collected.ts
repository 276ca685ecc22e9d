/**
 * What a process of Node holds for certain: its anonymous memory when the garbage is collected and what was freed is
 * given back. Without that, a process whose memory goes up with the load looks like one that leaks.
 *
 * By its inspector, which a signal opens on Node's usual port of loopback: for one process of a machine at a time.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'undici';
import { addonPath } from '../../src/native/load.ts';
import { residentMiB } from '../harness.ts';

const INSPECTOR = 'http://127.0.0.1:9229/json';
const WAIT_MS = 10_000;
/** Work that goes on makes new garbage at once: the lowest of so many looks counts. */
const LOOKS = 8;

/** @returns MiB */
export async function collectedMiB(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR1');
  const session = await Session.open();
  try {
    const found = await session.evaluate('process.pid');
    if (found !== pid) throw new Error(`The inspector of process ${found} has answered for ${pid}`);
    const sizes: number[] = [];
    for (let look = 0; look < LOOKS; look++) {
      // What is only reachable from what has just died is found by the second one.
      for (const _ of [1, 2]) await session.call('HeapProfiler.collectGarbage');
      await session.evaluate(`require(${JSON.stringify(addonPath())}).trimMemory()`);
      sizes.push((await residentMiB(pid)).anonymous);
    }
    return Math.min(...sizes);
  } finally {
    session.close();
  }
}

interface Answer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
  readonly error?: { readonly message: string };
}

class Session {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  static async open(): Promise<Session> {
    const socket = new WebSocket(await debuggerUrl());
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error('The inspector does not answer')));
    });
    return new Session(socket);
  }

  async call(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.#id;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const late = pause(WAIT_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${method} takes too long`);
    });
    const answer = await Promise.race([answered, late]);
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer;
  }

  async evaluate(expression: string): Promise<unknown> {
    const options = { includeCommandLineAPI: true, awaitPromise: true, returnByValue: true };
    return (await this.call('Runtime.evaluate', { expression, ...options })).result?.result?.value;
  }

  close(): void {
    this.#socket.close();
  }
}

async function debuggerUrl(): Promise<string> {
  for (const end = performance.now() + WAIT_MS; ; await pause(100)) {
    try {
      const [target] = (await (await fetch(INSPECTOR)).json()) as {
        webSocketDebuggerUrl: string;
      }[];
      if (target !== undefined) return target.webSocketDebuggerUrl;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
