/** `g8ufs hub sync`: brings what one hub has to another. */
import { Command } from 'commander';
import { formatSize } from '../../../base/bytes.ts';
import { plural } from '../../../base/plural.ts';
import type { SyncedHub } from '../../../hub/sync.ts';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';
import type { ProgressCounter } from '../../ui/progress.ts';

/** Names of links in a message. */
const SHOWN_MAX = 10;

interface Flags {
  readonly repository?: string;
}

export function command(context: Context): Command {
  const sync = new Command('sync')
    .description('bring the flists of one hub to another, with chunks, signatures, links and tags')
    .argument('<from>', 'URL of the hub that has them')
    .argument('<to>', 'URL of the hub that is to have them')
    .option('--repository <name>', 'only this one')
    .action((from: string, to: string, flags: Flags) => run(context, from, to, flags));
  return addHelpSections(sync, {
    notes: [
      'Chunks are verified on the way. When it was interrupted, the same command goes on where it was. Nothing is deleted.',
      'Private repositories are made as such. Users, tokens, members, owners and the audit log stay where they are. What links and tags need there: a login that may publish in their repositories.',
      'Tokens are those of g8ufs login, or given in the URL: http://TOKEN@hub:8080.',
    ],
    examples: [['hub sync http://hub:8080 http://spare:8080', 'keep a second hub']],
    failures: [
      'ERR_CHUNK_MISSING',
      'ERR_CHUNK_CORRUPT',
      'ERR_FLIST_FORMAT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
      'ERR_IO',
    ],
  });
}

async function run(context: Context, from: string, to: string, flags: Flags): Promise<void> {
  const { tmpdir } = await import('node:os');
  const { syncHubs } = await import('../../../hub/sync.ts');
  const { loadedAddon } = await import('../../hub-runs.ts');
  const { showProgress } = await import('../../ui/progress.ts');
  const addon = await loadedAddon();
  const source = await openHub(context, from);
  const target = await openHub(context, to);
  const shown: ProgressCounter = { label: 'Bringing', done: 0, total: 0, unit: 'bytes' };
  const view = await showProgress(context, shown);
  let result: Awaited<ReturnType<typeof syncHubs>>;
  try {
    result = await syncHubs(source, target, {
      tmpDir: context.env['TMPDIR'] || tmpdir(),
      streams: addon,
      digest: addon && ((data, length) => addon.blake2b(data, length)),
      repository: flags.repository,
      signal: context.signal,
      onProgress: ({ bytes }) => {
        shown.done = bytes;
      },
    });
  } finally {
    view.stop();
    await Promise.all([closeHub(source), closeHub(target)]);
  }
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, result);
  } else if (!context.quiet) {
    const { flists, copied, chunks, bytes, links, left } = result;
    context.stdout.write(
      `${copied} of ${plural(flists, 'flist')} brought, ${plural(chunks, 'chunk')}, ${formatSize(bytes)}; ${plural(links, 'link')}\n`,
    );
    if (left.length > 0) {
      const { escapeName } = await import('../../../base/name-text.ts');
      const names = left.slice(0, SHOWN_MAX).map((name) => escapeName(Buffer.from(name)));
      const more = left.length > SHOWN_MAX ? ` and ${left.length - SHOWN_MAX} more` : '';
      context.stderr.write(`Links that could not be set: ${names.join(', ')}${more}\n`);
    }
  }
}

async function openHub(context: Context, url: string): Promise<SyncedHub> {
  const { HubAdmin } = await import('../../../store/hub-admin.ts');
  const { HubClient } = await import('../../../store/hub-client.ts');
  const { HubLinks } = await import('../../../store/hub-links.ts');
  const { hubLogin } = await import('../../../store/logins.ts');
  const http = { login: hubLogin(url, context.env) };
  return {
    client: new HubClient(url, { http }),
    links: new HubLinks(url, { http }),
    admin: new HubAdmin(url, http),
  };
}

async function closeHub({ client, links, admin }: SyncedHub): Promise<void> {
  await Promise.all([client.close(), links.close(), admin.close()]);
}
