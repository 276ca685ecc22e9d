/** Real Redis servers for a test file: Debian's redis-tools, which has the server's binary without its service. */
import { type ChildProcess, execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts, spawnServer, stopServer, until } from './child-server.ts';

/** One binary, which does what it is called. */
const BINARY = '/usr/bin/redis-check-rdb';
export const REDIS_CLI = '/usr/bin/redis-cli';

export interface RedisServer {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  readonly process: ChildProcess;
  /** `127.0.0.1:PORT` of the TLS side. */
  readonly tlsAddress: string | undefined;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  readonly password?: string;
  /** Files of a certificate for 127.0.0.1. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** More words of its command line. */
  readonly args?: readonly string[];
  /** Default: any free one. */
  readonly port?: number;
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-redis-'));
  const program = join(folder, 'redis-server');
  symlinkSync(BINARY, program);
  const [free, tlsPort] = await freePorts(2);
  const port = options.port ?? (free as number);
  const { password, tls, args = [] } = options;
  const child = spawnServer(program, [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''],
    ...['--enable-debug-command', 'yes'],
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...(tls === undefined
      ? []
      : ['--tls-port', String(tlsPort), '--tls-cert-file', tls.cert, '--tls-key-file', tls.key]),
    ...(tls === undefined ? [] : ['--tls-ca-cert-file', tls.cert, '--tls-auth-clients', 'no']),
    ...args,
  ]);
  await until('Starting Redis', () => canConnect(port));
  return {
    address: `127.0.0.1:${port}`,
    tlsAddress: tls === undefined ? undefined : `127.0.0.1:${tlsPort}`,
    process: child,
    stop: async () => {
      await stopServer(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster {
  /** `127.0.0.1:PORT` of each node. */
  readonly nodes: readonly string[];
  stop(): Promise<void>;
}

/** Three masters that share the slots, as redis-cli makes them. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-redis-'));
  const ports = await freePorts(6);
  const servers = await Promise.all(
    [0, 1, 2].map((i) => {
      const path = join(folder, String(i));
      mkdirSync(path);
      const args = ['--cluster-enabled', 'yes', '--cluster-port', String(ports[3 + i])];
      return startRedis({
        port: ports[i] as number,
        args: [...args, '--cluster-config-file', join(path, 'nodes.conf')],
      });
    }),
  );
  const nodes = servers.map(({ address }) => address);
  const cli = promisify(execFile);
  await cli(REDIS_CLI, ['--cluster', 'create', ...nodes, '--cluster-yes'], { timeout: 30_000 });
  await until('Joining the cluster', async () => {
    const answers = await Promise.all(
      nodes.map(async (node) => {
        const port = node.split(':')[1] as string;
        return (await cli(REDIS_CLI, ['-p', port, 'cluster', 'info'])).stdout;
      }),
    );
    return answers.every((text) => text.includes('cluster_state:ok'));
  });
  return {
    nodes,
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function canConnect(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
