/** A hub that goes away and comes back at the same address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { command } from '../../harness.ts';

/** As long as that only on a machine with far too much to do; readers wait meanwhile, as long as their deadline allows. */
const START_TIMEOUT_MS = 240_000;
const END_TIMEOUT_MS = 30_000;

export class RestartedHub {
  /** Of its first start. */
  url = '';
  restarts = 0;
  readonly #dataDir: string;
  #child: ChildProcess | undefined;

  private constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  static async with<T>(dataDir: string, work: (hub: RestartedHub) => Promise<T>): Promise<T> {
    const hub = new RestartedHub(dataDir);
    hub.url = await hub.#start('127.0.0.1:0');
    try {
      return await work(hub);
    } finally {
      await hub.#end('SIGTERM');
    }
  }

  /** Ends it, asked or not, and starts it again after some time. */
  async restart(signal: 'SIGTERM' | 'SIGKILL', awayMs: number): Promise<void> {
    await this.#end(signal);
    await delay(awayMs);
    await this.#start(new URL(this.url).host);
    this.restarts++;
  }

  async #start(listen: string): Promise<string> {
    const [program, args] = command('hub', 'serve', '--data', this.#dataDir, '--listen', listen);
    const child = spawn(program, [...args, '--requests', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      cwd: '/',
    });
    this.#child = child;
    const late = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
    try {
      return await new Promise<string>((resolve, reject) => {
        let text = '';
        child.stdout.on('data', (data: Buffer) => {
          text = (text + data.toString()).slice(-4096);
          const match = /"url":\s*"([^"]+)"/.exec(text);
          if (match?.[1] !== undefined) resolve(match[1]);
        });
        child.once('exit', (code) => reject(new Error(`The hub ended with status ${code}`)));
      });
    } finally {
      clearTimeout(late);
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const late = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    clearTimeout(late);
  }
}
