/** `g8ufs core serve`: the core daemon in the foreground. */
import { once } from 'node:events';
import { Command } from 'commander';
import type { CoreDaemonOptions } from '../../../core/daemon.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

interface Flags {
  readonly redis?: string;
  readonly state?: string;
  readonly maxJobs?: string;
  readonly extensions?: string;
}

export function command(context: Context): Command {
  const serve = new Command('serve')
    .description('take commands out of a Redis and run them until interrupted')
    .option('--redis <url>', 'where they come from (default: redis://127.0.0.1:6379)')
    .option('--state <dir>', 'folder of what outlives the daemon (default: see config show)')
    .option('--max-jobs <number>', 'jobs that may be alive (default: 1000)')
    .option('--extensions <file>', 'YAML file of programs that are commands')
    .action((flags: Flags) => run(context, flags));
  return addHelpSections(serve, {
    examples: [
      ['core serve', 'for the Redis of this machine'],
      ['core serve --redis unix:///run/redis.sock --state /srv/core', 'by a socket'],
      ['core serve --redis "rediss://:secret@10.0.0.7?ca=/etc/ssl/redis.pem"', 'by TLS'],
    ],
    settings: [
      'coreRedis',
      'coreState',
      'coreMaxJobs',
      'coreLoggerSize',
      'coreExtensions',
      'coreStartup',
      ...(['coreMemory', 'corePids'] as const),
      'coreMaxContainers',
      'coreRuntime',
      'coreInit',
      'coreCgroup',
      'coreHub',
      'coreStorage',
      'cacheDir',
      'stores',
      'deadline',
      ...(['coreBridge', 'coreAddress', 'coreTable', 'coreFirewallChain'] as const),
      ...(['coreInterfaces', 'coreNamespaces'] as const),
    ],
    failures: ['ERR_CACHE_LOCKED', 'ERR_CONFIG', 'ERR_CREATE', 'ERR_PERMISSION'],
    notes: [
      'Whoever can write to this Redis is root here: keep it on loopback, or behind a password',
    ],
  });
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { CoreDaemon } = await import('../../../core/daemon.ts');
  const options = await optionsOf(context, flags);
  const daemon = await CoreDaemon.start(options, context.signal);
  try {
    announce(context, options);
    if (!context.signal.aborted) await once(context.signal, 'abort');
  } finally {
    await daemon.stop();
  }
}

async function optionsOf(context: Context, flags: Flags): Promise<CoreDaemonOptions> {
  const { loadConfig } = await import('../../../config/config.ts');
  const { readExtensions } = await import('../../../core/settings.ts');
  const { createLogger } = await import('../../../fs/log.ts');
  const { findGuestProgram } = await import('../../../native/programs.ts');
  const { daemonSettings } = await import('../../core-containers.ts');
  const { packageVersion } = await import('../../version.ts');
  const config = await loadConfig(context.env, {
    coreRedis: flags.redis,
    coreState: flags.state,
    coreMaxJobs: flags.maxJobs,
    coreExtensions: flags.extensions,
  });
  const log = createLogger(context.debug ? 'debug' : context.quiet ? 'error' : 'info');
  return {
    redisUrl: config.get('coreRedis'),
    stateDir: config.get('coreState'),
    settings: {
      maxJobs: config.get('coreMaxJobs'),
      loggerSize: config.get('coreLoggerSize'),
      extensions: await readExtensions(config.get('coreExtensions')),
      firewallChain: config.get('coreFirewallChain'),
    },
    guestProgram: findGuestProgram(),
    version: packageVersion(),
    containers: await daemonSettings(config, log),
    log,
    env: context.env,
    ...(config.get('coreStartup') !== '' && {
      startup: await readStartup(config.get('coreStartup')),
    }),
  };
}

async function readStartup(path: string): Promise<{ path: string; text: string }> {
  const { readFile } = await import('node:fs/promises');
  const { toG8Error } = await import('../../../base/errors.ts');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw toG8Error(error, 'ERR_CONFIG', `Services file ${path} cannot be read`);
  });
  return { path, text };
}

/** Never with the credentials of the Redis in it. */
function announce(context: Context, { redisUrl, stateDir }: CoreDaemonOptions): void {
  const redis = redisUrl.replace(/\/\/[^/@]*@/, '//');
  if (context.json) context.stdout.write(`${JSON.stringify({ redis, stateDir })}\n`);
  else context.stdout.write(`Taking commands from ${redis}\n`);
}
