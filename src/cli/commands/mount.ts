/** `g8ufs mount`: shows a flist as a directory. */
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Config } from '../../config/config.ts';
import type { MountRecord, MountRequest } from '../../fs/mount-record.ts';
import type { PrefetchMode, PrefetchStatus } from '../../fs/prefetch.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

interface Flags {
  readonly store: readonly string[];
  readonly cache?: string;
  readonly cacheSize?: string;
  readonly cacheFree?: string;
  readonly metrics?: string;
  readonly slowRead?: string;
  readonly deadline?: string;
  readonly rw?: boolean;
  readonly upper?: string;
  readonly work?: string;
  readonly tier: MountRequest['tier'];
  readonly foreground?: boolean;
  readonly driver: MountRequest['driver'];
  readonly openMode: MountRequest['openMode'];
  readonly allowOther?: boolean;
  readonly magicXattrs?: boolean;
  readonly requireSignature: readonly string[];
  readonly prefetch?: PrefetchMode;
  readonly profile?: string;
  readonly untilLocal?: boolean;
  readonly rateLimit?: string;
  readonly record?: string;
  readonly cacheQuota?: string;
}

export function command(context: Context): Command {
  const mount = new Command('mount')
    .description('show a flist as a directory; contents are fetched when they are read')
    .argument('<flist>', 'flist file, or its URL on a hub')
    .argument('<dir>', 'existing directory to mount on')
    .option('-s, --store <url>', 'where chunks are, asked in this order (repeatable)', collect, [])
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .option('--cache-size <size>', 'size the cache may have, when this starts its daemon')
    .option('--cache-free <size>', 'space to leave free, when this starts its daemon')
    .option('--cache-quota <size>', 'what contents of this flist may take of the cache, at most')
    .option('--deadline <time>', 'how long a read waits for data before EIO (default: 30s)')
    .option(
      '--slow-read <time>',
      'log what a read waits for after this time, when this starts its daemon',
    )
    .option('--metrics <host:port>', 'serve metrics there, when this starts its daemon')
    .option('--magic-xattrs', 'tell user.g8ufs.* also where the image has no xattrs')
    .option('--rw', 'read-write: changes go to --upper, the image stays as it is')
    .option('--upper <dir>', 'folder that keeps the changes of --rw; made when absent')
    .option('--work <dir>', 'work folder of --upper, on its file system (default: UPPER.work)')
    .option('-f, --foreground', 'stay in the foreground; Ctrl-C unmounts')
    .option(
      '--require-signature <file>',
      'public key that must have signed the flist; one of several (repeatable)',
      collect,
      [],
    )
    .addOption(
      new Option(
        '--prefetch <what>',
        'fetch ahead: a start profile or guesses, or all (default: profile)',
      ).choices(['none', 'profile', 'all']),
    )
    .option('--profile <file>', 'start profile, or its URL (default: beside the flist, if any)')
    .option('--until-local', 'wait until all is in the cache, or with --prefetch profile that much')
    .option('--rate-limit <size>', 'what to fetch ahead in a second, at most')
    .option('--record <file>', 'write a start profile of what is read until the mount ends')
    .option('--allow-other', 'let other users in (always on for root)')
    .addOption(
      new Option('--open-mode <mode>', 'how files are opened')
        .choices(['auto', 'passthrough', 'none'])
        .default('auto'),
    )
    .addOption(
      new Option('--tier <tier>', 'what shows the tree: FUSE, or EROFS and overlayfs (root)')
        .choices(['fuse', 'kernel', 'auto'])
        .default('fuse'),
    )
    .addOption(
      new Option('--driver <name>', 'what serves the mount')
        .choices(['native', 'fuse-native'])
        .default('native'),
    )
    .action((flist: string, dir: string, flags: Flags) => run(context, flist, dir, flags));
  return addHelpSections(mount, {
    examples: [
      ['mount debian.flist /mnt', 'chunks come from the store that the flist names'],
      ['mount http://127.0.0.1:8080/demo/debian.flist /mnt', 'straight from a hub'],
      ['mount debian.flist /mnt --store dir:///srv/chunks', 'chunks from a directory'],
      ['mount debian.flist /mnt --require-signature release.pub', 'only if debian.flist.sig holds'],
      ['mount debian.flist /mnt --rw --upper /var/changes', 'writable; changes in /var/changes'],
      ['mount debian.flist /mnt --record debian.flist.profile', 'learn what a start reads'],
      ['mount debian.flist /mnt --until-local --rate-limit 20MiB', 'all of it, not too fast'],
      ['mount debian.flist /mnt --cache-quota 2GiB', 'leaves the rest of the cache to others'],
      ['mount debian.flist /mnt --tier auto', 'by the kernel itself where it can, else by FUSE'],
    ],
    settings: [
      'stores',
      'cacheDir',
      'cacheSize',
      'cacheFree',
      'cacheQuotas',
      'deadline',
      'slowRead',
      'metricsListen',
      'requireSignature',
      'policy',
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_MOUNT',
      'ERR_CACHE_FULL',
      'ERR_CACHE_LOCKED',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

async function run(context: Context, flist: string, dir: string, flags: Flags): Promise<void> {
  const { loadConfig } = await import('../../config/config.ts');
  const config = await loadConfig(context.env, {
    cacheDir: flags.cache,
    stores: flags.store.length > 0 ? flags.store : undefined,
    deadline: flags.deadline,
    requireSignature: flags.requireSignature.length > 0 ? flags.requireSignature : undefined,
  });
  const request = await toRequest(flist, dir, flags, config);
  if (flags.foreground === true) await mountHere(context, flags, request);
  else await mountInBackground(context, flags, request, config.get('cacheDir'));
}

async function toRequest(
  flist: string,
  dir: string,
  flags: Flags,
  config: Config,
): Promise<MountRequest> {
  const { G8Error } = await import('../../base/errors.ts');
  if (flags.upper !== undefined && flags.rw !== true) {
    throw new G8Error('ERR_USAGE', '--upper needs --rw');
  }
  if (flags.rw === true && flags.upper === undefined) {
    throw new G8Error('ERR_USAGE', '--rw needs --upper DIR, the folder that keeps the changes');
  }
  if (flags.record !== undefined && flags.driver !== 'native') {
    throw new G8Error('ERR_USAGE', '--record needs the native driver');
  }
  if (flags.work !== undefined && flags.upper === undefined) {
    throw new G8Error('ERR_USAGE', '--work needs --upper');
  }
  if (flags.tier === 'kernel' && flags.driver !== 'native') {
    throw new G8Error('ERR_USAGE', '--tier kernel goes with --driver native only');
  }
  const { realpath } = await import('node:fs/promises');
  const mountPoint = resolve(dir);
  return {
    source: placeOf(flist),
    // A link to a directory is as good as the directory; the kernel lists the real path. What cannot be
    // resolved (a mount whose daemon died) goes on as it is.
    mountPoint: await realpath(mountPoint).catch(() => mountPoint),
    stores: config.get('stores').map((url) => (url.includes('://') ? url : resolve(url))),
    deadlineMs: config.get('deadline'),
    openMode: flags.openMode,
    driver: flags.driver,
    tier: flags.tier,
    allowOther: flags.allowOther === true || process.getuid?.() === 0,
    ...(flags.magicXattrs === true ? { magicXattrs: true } : {}),
    ...(await requiredKeys(config.get('requireSignature'))),
    ...(flags.upper === undefined ? {} : { upper: resolve(flags.upper) }),
    ...(flags.work === undefined ? {} : { work: resolve(flags.work) }),
    ...(await prefetchOf(flags)),
    ...(flags.record === undefined ? {} : { record: resolve(flags.record) }),
    ...(flags.cacheQuota === undefined ? {} : { cacheQuota: await quotaOf(flags.cacheQuota) }),
  };
}

/** A profile is used when there is one; whoever waits until all is local wants all. */
async function prefetchOf(flags: Flags): Promise<Pick<MountRequest, 'prefetch'>> {
  const { profile, rateLimit, untilLocal } = flags;
  const mode = flags.prefetch ?? (untilLocal === true ? 'all' : 'profile');
  const { G8Error } = await import('../../base/errors.ts');
  if (mode === 'none') {
    const needless = profile ?? rateLimit ?? untilLocal;
    if (needless === undefined) return {};
    const names = '--profile, --rate-limit and --until-local';
    throw new G8Error('ERR_USAGE', `${names} make no sense with --prefetch none`);
  }
  return {
    prefetch: {
      mode,
      ...(profile === undefined ? {} : { profile: placeOf(profile) }),
      ...(rateLimit === undefined ? {} : { rateBytes: await rateOf(rateLimit) }),
    },
  };
}

function placeOf(source: string): string {
  return /^https?:\/\//.test(source) ? source : resolve(source);
}

async function rateOf(text: string): Promise<number> {
  const { G8Error } = await import('../../base/errors.ts');
  const { parseSize } = await import('../../base/bytes.ts');
  const { RATE_BYTES_MIN } = await import('../../fs/requests.ts');
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= RATE_BYTES_MIN) return bytes;
  throw new G8Error('ERR_USAGE', `'${text}' is no size from 4KiB on, such as 10MiB`);
}

async function quotaOf(text: string): Promise<number> {
  const { G8Error } = await import('../../base/errors.ts');
  const { formatSize, parseSize } = await import('../../base/bytes.ts');
  const { QUOTA_BYTES_MIN } = await import('../../config/cache-quotas.ts');
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= QUOTA_BYTES_MIN) return bytes;
  const least = formatSize(QUOTA_BYTES_MIN);
  throw new G8Error('ERR_USAGE', `'${text}' is no size from ${least} on, such as 2GiB`);
}

/** Read here, where paths mean what the user means; the daemon gets the keys themselves. */
async function requiredKeys(
  paths: readonly string[],
): Promise<Pick<MountRequest, 'requireSignature'>> {
  if (paths.length === 0) return {};
  const { readPublicKey } = await import('../../image/signature-files.ts');
  const keys = await Promise.all(paths.map((path) => readPublicKey(path)));
  return { requireSignature: keys.map((key) => Buffer.from(key).toString('base64')) };
}

async function mountInBackground(
  context: Context,
  flags: Flags,
  request: MountRequest,
  cacheDir: string,
): Promise<void> {
  const { connectOrStartDaemon } = await import('../../fs/client.ts');
  const { daemonCommand } = await import('../early-daemon.ts');
  const daemonFlags: string[] = [];
  if (flags.cacheSize !== undefined) daemonFlags.push('--cache-size', flags.cacheSize);
  if (flags.cacheFree !== undefined) daemonFlags.push('--cache-free', flags.cacheFree);
  if (flags.metrics !== undefined) daemonFlags.push('--metrics', flags.metrics);
  if (flags.slowRead !== undefined) daemonFlags.push('--slow-read', flags.slowRead);
  if (context.debug) daemonFlags.push('--debug');
  const client = await connectOrStartDaemon(daemonCommand(cacheDir, daemonFlags));
  try {
    // The first mount of a large flist unpacks it; the user can always interrupt.
    const record = await client.request<MountRecord>('mount', request, MOUNT_TIMEOUT_MS);
    await report(context, flags, record, () =>
      client.request<PrefetchStatus | null>('prefetch', { mountPoint: record.mountPoint }),
    );
  } finally {
    client.close();
  }
}

/** Unpacking ten million entries takes minutes, not longer. */
const MOUNT_TIMEOUT_MS = 900_000;

async function mountHere(context: Context, flags: Flags, request: MountRequest): Promise<void> {
  const { confineProcess } = await import('../confine-process.ts');
  await confineProcess(context);
  const { startDaemon } = await import('../daemon-process.ts');
  const { daemon, ended } = await startDaemon(context, flags, {
    stayForMs: MOUNT_TIMEOUT_MS,
    logLevel: context.verbose ? 'info' : 'warn',
  });
  try {
    const record = await daemon.mounts.mount(request, context.signal);
    await report(context, flags, record, async () =>
      daemon.mounts.prefetchStatus(record.mountPoint),
    );
  } catch (error) {
    await daemon.close();
    throw error;
  }
  await ended;
}

async function report(
  context: Context,
  flags: Flags,
  record: MountRecord,
  look: () => Promise<PrefetchStatus | null>,
): Promise<void> {
  // Since the process began: what the user waited.
  const elapsedMs = Math.round(performance.now());
  const isSilent = context.json || context.quiet;
  if (!isSilent) {
    if (record.fallback !== null) {
      context.stderr.write(`Mounted by FUSE, not in the kernel tier: ${record.fallback}\n`);
    }
    const tier = record.tier === 'kernel' ? ' in the kernel tier' : '';
    const { source, mountPoint } = record;
    context.stdout.write(`Mounted ${source} at ${mountPoint}${tier} in ${elapsedMs} ms\n`);
  }
  let { prefetch } = record;
  if (flags.untilLocal === true) {
    const { waitUntilLocal } = await import('../until-local.ts');
    prefetch = await waitUntilLocal(context, look);
  }
  if (!context.json) return;
  const { printJson } = await import('../ui/json.ts');
  await printJson(context, { ...record, prefetch, elapsedMs });
}
