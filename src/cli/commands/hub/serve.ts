/** `g8ufs hub serve`: a hub in the foreground. */
import { once } from 'node:events';
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import { addStorageFlags, type StorageFlags } from '../../hub-runs.ts';

interface Flags extends StorageFlags {
  readonly listen?: string;
  readonly allowAnonymousWrites?: boolean;
}

export function command(context: Context): Command {
  const serve = new Command('serve')
    .description('serve flists and chunks over HTTP until interrupted')
    .option('--listen <host:port>', 'address; port 0 takes a free one (default: 127.0.0.1:8080)')
    .option('--allow-anonymous-writes', 'take uploads from other machines too')
    .action((flags: Flags) => run(context, flags));
  addStorageFlags(serve);
  return addHelpSections(serve, {
    examples: [
      ['hub serve --data /srv/hub', 'for this machine'],
      ['hub serve --chunks redis://10.0.0.7 --catalogue postgres://10.0.0.8/hub', 'one of several'],
      ['hub serve --data /srv/hub --listen 0.0.0.0:80', 'for all; uploads only from this machine'],
    ],
    settings: ['hubData', 'hubCatalogue', 'hubChunks', 'hubListen'],
    failures: ['ERR_IO', 'ERR_PERMISSION', 'ERR_CONFIG'],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { pino } = await import('pino');
  const { loadConfig } = await import('../../../config/config.ts');
  const { parseListen } = await import('../../../config/schema.ts');
  const { createHub } = await import('../../../hub/server.ts');
  const config = await loadConfig(context.env, { hubListen: flags.listen });
  // The schema has checked the form already.
  const address = parseListen(config.get('hubListen')) as { host: string; port: number };
  const { storageOptions } = await import('../../hub-runs.ts');
  const { dataDir, catalogue, chunks, addon, digest } = await storageOptions(context, flags);
  const hub = await createHub({
    ...address,
    dataDir,
    ...(catalogue !== undefined && { catalogue }),
    ...(chunks !== undefined && { chunks }),
    logger: pino({ level: logLevel(context), base: null }, pino.destination(2)),
    ...(flags.allowAnonymousWrites === true && { anonymousWrites: 'all' }),
    ...(addon !== undefined && { addon }),
    ...(digest !== undefined && { digest }),
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
