/**
 * Networks of containers for a test inside `own-network.ts`, with a world outside: a namespace `world` behind
 * the interface `out0`, whose address is 192.0.2.1. Containers are empty namespaces; programs run in them.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Network, type NetworkOptions } from '../../src/core/network/network.ts';
import { NETWORK_DEFAULTS, type NetworkSettings } from '../../src/core/network/settings.ts';
import type { Logger } from '../../src/fs/log.ts';
import { until } from './child-server.ts';

export const WORLD_ADDRESS = '192.0.2.1';
export const HOST_ADDRESS = '192.0.2.2';
const CHILD_TIMEOUT_MS = 60_000;

/** Says who called, and ends the connection. */
const SERVER = `
  const server = require('node:net').createServer((socket) => socket.end(socket.remoteAddress));
  server.listen(Number(process.argv[1]), '0.0.0.0', () => console.log('ready'));
`;
const CLIENT = `
  const [host, port, timeout] = process.argv.slice(1);
  const socket = require('node:net').connect(Number(port), host);
  const end = (text) => { console.log(text); process.exit(); };
  socket.on('data', (data) => end('from ' + data)).on('error', (error) => end(error.code));
  socket.setTimeout(Number(timeout), () => end('silence'));
`;

/** Words and what belongs to them, for a look at what was logged. */
export type LogLine = readonly [
  level: string,
  fields: Readonly<Record<string, unknown>>,
  text: string,
];

export class NetworkWorld {
  readonly settings: NetworkSettings;
  readonly log: LogLine[] = [];
  readonly #children: ChildProcess[] = [];

  constructor(context: TestContext, settings: Partial<NetworkSettings> = {}) {
    const stateDir = mkdtempSync(join(tmpdir(), 'g8ufs-network-'));
    this.settings = { ...NETWORK_DEFAULTS, stateDir, ...settings };
    context.after(() => this.#end());
  }

  /** Makes the world outside. */
  addWorld(): void {
    execFileSync('ip', ['-batch', '-'], {
      input: [
        'netns add world',
        'link add out0 up type veth peer name in0 netns world',
        `addr add ${HOST_ADDRESS}/24 dev out0`,
        `route add default via ${WORLD_ADDRESS}`,
      ].join('\n'),
    });
    execFileSync('ip', ['-n', 'world', '-batch', '-'], {
      input: [`addr add ${WORLD_ADDRESS}/24 dev in0`, 'link set in0 up', 'link set lo up'].join(
        '\n',
      ),
    });
  }

  network(options: Partial<NetworkOptions> = {}): Network {
    const write =
      (level: string): Logger['info'] =>
      (fields, text) =>
        void this.log.push([level, fields, text]);
    const log = {
      ...{ debug: write('debug'), info: write('info') },
      ...{ warn: write('warn'), error: write('error') },
    };
    return new Network({ settings: this.settings, log, ...options });
  }

  /** A server on a port inside a namespace, or on the host itself. */
  async serve(port: number, namespace?: string): Promise<void> {
    const child = this.#node(namespace, SERVER, String(port));
    this.#children.push(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
  }

  /** What a connection brings: `from <address>`, the name of an error, or `silence`. */
  async call(
    namespace: string | undefined,
    address: string,
    port: number,
    timeoutMs = 10_000,
  ): Promise<string> {
    const child = this.#node(namespace, CLIENT, address, String(port), String(timeoutMs));
    let text = '';
    child.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
    });
    await once(child, 'close');
    return text.trim();
  }

  #node(namespace: string | undefined, script: string, ...args: string[]): ChildProcess {
    const words = [process.execPath, '-e', script, ...args];
    const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [program, ...rest] = [...inside, ...words] as [string, ...string[]];
    return spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: CHILD_TIMEOUT_MS,
    });
  }

  async #end(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    }
    await this.network().prune(new Set());
    rmSync(this.settings.stateDir, { recursive: true, force: true });
    for (const name of readdirSync('/run/netns')) execFileSync('ip', ['netns', 'del', name]);
    // The next test of the file begins with an empty network again. The kernel removes some by itself.
    await until('Removing interfaces', async () => {
      const names = interfaceNames().filter((name) => name !== 'lo');
      for (const name of names) spawnSync('ip', ['link', 'del', name]);
      return names.length === 0;
    });
  }
}

/** Names of this namespace's interfaces. */
export function interfaceNames(): string[] {
  const lines = readFileSync('/proc/self/net/dev', 'latin1').trim().split('\n').slice(2);
  return lines.map((line) => line.slice(0, line.indexOf(':')).trim());
}

/** What nftables holds, without the numbers that change. */
export function firewall(): string {
  return execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
}

/** Everything that a network of containers could leave behind. */
export function leftovers(settings: NetworkSettings): Record<string, unknown> {
  return {
    interfaces: interfaceNames(),
    namespaces: existsSync('/run/netns') ? readdirSync('/run/netns') : [],
    firewall: firewall(),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'latin1').trim(),
    servers: nameServers(settings.bridge),
  };
}

function nameServers(bridge: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return words[0] === 'dnsmasq' && words.includes(`--interface=${bridge}`);
      } catch {
        return false; // It has ended.
      }
    });
}
