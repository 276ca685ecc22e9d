/** `g8ufs hub serve`: a hub in the foreground. */
import { once } from 'node:events';
import { Command } from 'commander';
import { isG8Error } from '../../../base/errors.ts';
import type { Addon } from '../../../native/addon.ts';
import type { DigestFunction } from '../../../store/chunk-id.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly data?: string;
  readonly listen?: string;
  readonly allowAnonymousWrites?: boolean;
}

export function command(context: Context): Command {
  const serve = new Command('serve')
    .description('serve flists and chunks over HTTP until interrupted')
    .option('--data <dir>', 'folder that keeps them (default: see config show)')
    .option('--listen <host:port>', 'address; port 0 takes a free one (default: 127.0.0.1:8080)')
    .option('--allow-anonymous-writes', 'take uploads from other machines too')
    .action((flags: Flags) => run(context, flags));
  return addHelpSections(serve, {
    examples: [
      ['hub serve --data /srv/hub', 'for this machine'],
      ['hub serve --data /srv/hub --listen 0.0.0.0:80', 'for all; uploads only from this machine'],
    ],
    settings: ['hubData', 'hubListen'],
    failures: ['ERR_IO', 'ERR_PERMISSION', 'ERR_CONFIG'],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { pino } = await import('pino');
  const { loadConfig } = await import('../../../config/config.ts');
  const { parseListen } = await import('../../../config/schema.ts');
  const { createHub } = await import('../../../hub/server.ts');
  const config = await loadConfig(context.env, { hubData: flags.data, hubListen: flags.listen });
  // The schema has checked the form already.
  const address = parseListen(config.get('hubListen')) as { host: string; port: number };
  const addon = await nativeAddon();
  const hub = await createHub({
    ...address,
    dataDir: config.get('hubData'),
    logger: pino({ level: logLevel(context), base: null }, pino.destination(2)),
    ...(flags.allowAnonymousWrites === true && { anonymousWrites: 'all' }),
    ...(addon !== undefined && { addon, digest: digestWith(addon) }),
  });
  try {
    const { firstAdmin } = hub;
    if (firstAdmin !== undefined) {
      context.stderr.write(
        `First start: the token of the administrator is ${firstAdmin.token} (kept in ${firstAdmin.path})\n`,
      );
    }
    context.stdout.write(context.json ? `${JSON.stringify({ url: hub.url })}\n` : `${hub.url}\n`);
    if (!context.signal.aborted) await once(context.signal, 'abort');
  } finally {
    await hub.close();
  }
}

function logLevel(context: Context): string {
  if (context.debug) return 'debug';
  if (context.verbose) return 'info';
  return context.quiet ? 'error' : 'warn';
}

/** A hub also runs where the addon does not: without making flists of archives, or looking into flists. */
async function nativeAddon(): Promise<Addon | undefined> {
  const { addon } = await import('../../../native/load.ts');
  try {
    return addon();
  } catch (error) {
    if (isG8Error(error, 'ERR_CONFIG')) return undefined;
    throw error;
  }
}

function digestWith(addon: Addon): DigestFunction {
  return (data, length) => addon.blake2b(data, length);
}
