/** `g8ufs flist push`: publishes a flist on a hub. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import { addHelpSections } from '../../help.ts';

export function command(context: Context): Command {
  const push = new Command('push')
    .description('publish a flist on a hub; its chunks must be in a store already')
    .argument('<flist>', 'flist file')
    .argument('<url>', 'hub, repository and name: http://HUB/REPOSITORY/NAME')
    .action((flist: string, url: string) => run(context, flist, url));
  return addHelpSections(push, {
    examples: [
      ['flist push debian.flist http://127.0.0.1:8080/demo/debian', 'as debian.flist of demo'],
    ],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
    ],
  });
}

async function run(context: Context, flist: string, url: string): Promise<void> {
  const { parsePushUrl, publishFlist } = await import('../../publish.ts');
  const target = parsePushUrl(url);
  const receipt = await publishFlist(context, flist, target);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, receipt);
  } else if (!context.quiet) {
    context.stdout.write(`${receipt.url}\n`);
  }
}
