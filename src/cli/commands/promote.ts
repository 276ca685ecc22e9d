/** `g8ufs promote`: a flist of a hub under another name, without its bytes being sent. */
import { Command } from 'commander';
import { G8Error } from '../../base/errors.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const promote = new Command('promote')
    .description('publish a flist of a hub under another name there as well')
    .argument('<source>', 'what: http://HUB/REPOSITORY/NAME, or REPOSITORY/NAME at G8UFS_HUB')
    .argument('<target>', 'the other name: REPOSITORY/NAME')
    .action((source: string, target: string) => run(context, source, target));
  return addHelpSections(promote, {
    notes: [
      'It is a copy: what is published as the source later does not change it. A flist that has the name is replaced; its signature and start profile come along.',
    ],
    examples: [
      ['promote https://hub.example/testing/web production/web', 'from testing to production'],
    ],
    settings: ['hub'],
    failures: [
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, source: string, target: string): Promise<void> {
  const { flistUrl, hubFlist, parseHubFlist, withHub } = await import('../hub-access.ts');
  const from = await hubFlist(context, source);
  const to = parseHubFlist(target, from.hub);
  if (to.hub.replace(/\/+$/, '') !== from.hub.replace(/\/+$/, '')) {
    throw new G8Error('ERR_USAGE', 'Both names are of one hub; push brings flists to another');
  }
  const { signal } = context;
  const receipt = await withHub(context, from.hub, async (client) => {
    const copied = await client.copyFlist(from, to, { signal });
    for (const kind of ['sig', 'profile'] as const) {
      const text = await client.flistText(from, kind, { signal });
      if (text === undefined) continue;
      if (kind === 'sig') await client.uploadSignature(to, text, { signal });
      else await client.uploadProfile(to, text, { signal });
    }
    return { ...copied, url: flistUrl(client.name, to) };
  });
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, receipt);
  } else if (!context.quiet) {
    context.stdout.write(`${receipt.url}\n`);
  }
}
