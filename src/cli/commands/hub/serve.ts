/** `g8ufs hub serve`: a hub in the foreground. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { G8Error, toG8Error } from '../../../base/errors.ts';
import type { AnonymousWrites } from '../../../hub/access/access.ts';
import type { HubOptions } from '../../../hub/options.ts';
import type { Hub } from '../../../hub/server.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { addStorageFlags, type StorageFlags } from '../../hub-runs.ts';

interface Flags extends StorageFlags {
  readonly chunkCache?: string;
  readonly chunkCacheDir?: string;
  readonly listen?: string;
  readonly anonymousWrites?: AnonymousWrites;
  readonly allowAnonymousWrites?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustProxy?: string[];
  readonly signedTokens?: string;
  readonly signedTokenAge?: string;
  readonly publicUrl?: string;
  readonly publicBackend?: string;
  readonly readOnly?: boolean;
  readonly privateRegistry?: string[];
  readonly requests?: string;
  readonly metrics?: string;
}

export function command(context: Context): Command {
  const serve = new Command('serve')
    .description('serve flists and chunks over HTTP until interrupted')
    .option('--listen <host:port>', 'address; port 0 takes a free one (default: 127.0.0.1:8080)')
    .addOption(
      new Option('--anonymous-writes <who>', 'take uploads without credentials')
        .choices(['none', 'local', 'all'])
        .conflicts('allowAnonymousWrites'),
    )
    .option('--allow-anonymous-writes', 'the same as --anonymous-writes all')
    .option('--tls-cert <file>', 'serve TLS by this certificate with its chain, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--trust-proxy <host...>', 'believe the X-Forwarded-For of these proxies')
    .option('--signed-tokens <file>', "take the historical hub's tokens, by its seed of 32 bytes")
    .option('--signed-token-age <time>', 'refuse those that are older, such as 720h')
    .option('--public-url <url>', 'what clients know the hub by (default: what they ask by)')
    .option(
      '--public-backend <host:port>',
      'where clients of 0-db find its chunks, /NAMESPACE behind it',
    )
    .option('--read-only', 'refuse what old clients do below /api/flist/me')
    .option(
      '--private-registry <host...>',
      'convert images of these although their addresses are private',
    )
    .option('--requests <number>', 'a minute, of an address or a user; 0: any (default: 60000)')
    .option('--metrics <host:port>', 'serve metrics at this loopback address')
    .action((flags: Flags) => run(context, flags));
  addStorageFlags(serve)
    .option('--chunk-cache <size>', 'kept of chunks on another machine; 0: none (default: 4GiB)')
    .option('--chunk-cache-dir <dir>', 'where, for this hub alone (default: in its folder)');
  return addHelpSections(serve, {
    examples: [
      ['hub serve --data /srv/hub', 'for this machine'],
      ['hub serve --chunks redis://10.0.0.7 --catalogue postgres://10.0.0.8/hub', 'one of several'],
      ['hub serve --data /srv/hub --listen 0.0.0.0:80', 'for all; uploads need a token'],
    ],
    settings: [
      'hubData',
      'hubCatalogue',
      'hubChunks',
      'hubChunkCache',
      'hubChunkCacheDir',
      'hubListen',
      'hubPublicUrl',
      'hubPublicBackend',
    ],
    failures: ['ERR_IO', 'ERR_PERMISSION', 'ERR_CONFIG', 'ERR_CACHE_LOCKED'],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { createHub } = await import('../../../hub/server.ts');
  const { trimMemory } = await import('../../../native/trim-memory.ts');
  const hub = await createHub(await optionsOf(context, flags));
  const stopTrimming = trimMemory();
  try {
    announce(context, hub);
    if (!context.signal.aborted) await once(context.signal, 'abort');
  } finally {
    stopTrimming();
    await hub.close();
  }
}

async function optionsOf(context: Context, flags: Flags): Promise<HubOptions> {
  const { pino } = await import('pino');
  const { loadConfig } = await import('../../../config/config.ts');
  const { parseListen, parsePublicBackend } = await import('../../../config/schema.ts');
  const config = await loadConfig(context.env, {
    hubChunkCache: flags.chunkCache,
    hubChunkCacheDir: flags.chunkCacheDir,
    hubListen: flags.listen,
    hubPublicUrl: flags.publicUrl,
    hubPublicBackend: flags.publicBackend,
  });
  const publicUrl = config.get('hubPublicUrl') || undefined;
  const publicBackend = parsePublicBackend(config.get('hubPublicBackend'));
  const metrics = flags.metrics === undefined ? undefined : parseListen(flags.metrics);
  if (flags.metrics !== undefined && metrics === undefined) {
    throw new G8Error('ERR_USAGE', `--metrics is '${flags.metrics}', not host:port`);
  }
  const requestCountMax = countOf(flags.requests, '--requests');
  // The schema has checked the form already.
  const address = parseListen(config.get('hubListen')) as { host: string; port: number };
  const anonymousWrites = flags.allowAnonymousWrites === true ? 'all' : flags.anonymousWrites;
  const secrets = await secretsOf(flags);
  const { storageOptions } = await import('../../hub-runs.ts');
  const cacheSize = config.get('hubChunkCache');
  const path = config.get('hubChunkCacheDir') || undefined;
  const { dataDir, catalogue, chunks, addon, digest } = await storageOptions(context, flags);
  return {
    ...address,
    ...secrets,
    dataDir,
    logger: pino({ level: logLevel(context), base: null }, pino.destination(2)),
    trustProxy: flags.trustProxy ?? [],
    privateRegistries: flags.privateRegistry ?? [],
    readOnly: flags.readOnly === true,
    ...(metrics !== undefined && { metrics }),
    ...(publicUrl !== undefined && { publicUrl }),
    ...(publicBackend !== undefined && { publicBackend }),
    ...(requestCountMax !== undefined && { limits: { requestCountMax } }),
    ...(catalogue !== undefined && { catalogue }),
    ...(chunks !== undefined && { chunks }),
    ...(cacheSize > 0 && { chunkCache: { path, sizeMax: cacheSize } }),
    ...(anonymousWrites !== undefined && { anonymousWrites }),
    ...(addon !== undefined && { addon }),
    ...(digest !== undefined && { digest }),
  };
}

/** What is in files. @throws ERR_USAGE, ERR_NO_INPUT, ERR_CONFIG */
async function secretsOf(flags: Flags): Promise<Partial<HubOptions>> {
  const { tlsCert, tlsKey, signedTokens, signedTokenAge } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new G8Error('ERR_USAGE', 'TLS needs both --tls-cert and --tls-key');
  }
  const tls = tlsCert !== undefined &&
    tlsKey !== undefined && { cert: await readText(tlsCert), key: await readText(tlsKey) };
  const seed = signedTokens === undefined ? undefined : await readBytes(signedTokens);
  if (seed !== undefined && seed.length !== 32) {
    throw new G8Error('ERR_CONFIG', `The seed in ${signedTokens} has ${seed.length} bytes, not 32`);
  }
  const { parseDuration } = await import('../../../config/schema.ts');
  const ageMsMax = signedTokenAge === undefined ? undefined : parseDuration(signedTokenAge);
  if (signedTokenAge !== undefined && ageMsMax === undefined) {
    throw new G8Error('ERR_USAGE', `--signed-token-age takes a duration, not ${signedTokenAge}`);
  }
  return {
    ...(tls !== false && { tls }),
    ...(seed !== undefined && {
      signedTokens: { seed, ...(ageMsMax !== undefined && { ageMsMax }) },
    }),
  };
}

/** @throws ERR_USAGE */
function countOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined || /^\d{1,9}$/.test(text)) return text === undefined ? text : Number(text);
  throw new G8Error('ERR_USAGE', `${flag} is '${text}', not a number`);
}

function announce(context: Context, { url, firstAdmin }: Hub): void {
  if (firstAdmin !== undefined) {
    const { token, path } = firstAdmin;
    context.stderr.write(
      `First start: the token of the administrator is ${token} (kept in ${path})\n`,
    );
  }
  context.stdout.write(context.json ? `${JSON.stringify({ url })}\n` : `${url}\n`);
}

async function readText(path: string): Promise<string> {
  return Buffer.from(await readBytes(path)).toString('utf8');
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw toG8Error(error, 'ERR_NO_INPUT', `Cannot read ${path}`);
  }
}

function logLevel(context: Context): string {
  if (context.debug) return 'debug';
  if (context.verbose) return 'info';
  return context.quiet ? 'error' : 'warn';
}
