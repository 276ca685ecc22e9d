/** `g8ufs core commit`: a flist of what a container has become. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends StateFlags {
  readonly store: string;
  readonly layer?: boolean;
}

export function command(context: Context): Command {
  const commit = new Command('commit')
    .description('make a flist of a container, from its image and what was written since')
    .argument('<container>', 'its number or name')
    .argument('<output>', 'file to write')
    .requiredOption('-s, --store <url>', 'where the chunks of what was written go')
    .option('--layer', 'only what was written, with marks for what was removed')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((query: string, output: string, flags: Flags) => run(context, query, output, flags));
  return addHelpSections(commit, {
    notes: [
      'The container stands still while its layer is read. Contents of the image are not read: the flist looks for their chunks where the image does. Its settings are those of the image.',
      'With --layer the marks are those of overlayfs: flist stack --whiteouts overlay puts such a layer on its image again.',
    ],
    examples: [
      ['core commit web web-2.flist --store http://hub:8080', 'an image with all that web has'],
      ['core commit web layer.flist --store dir:///srv/chunks --layer', 'the changes alone'],
    ],
    settings: ['coreState', 'coreRuntime', 'coreHub'],
    failures: [
      ...(['ERR_NO_INPUT', 'ERR_FLIST_FORMAT', 'ERR_STORE_UNAVAILABLE', 'ERR_CREATE'] as const),
      ...(['ERR_PERMISSION', 'ERR_IO', 'ERR_TIMEOUT'] as const),
    ],
  });
}

async function run(context: Context, query: string, output: string, flags: Flags): Promise<void> {
  const { findRunning, stateConfig } = await import('../../core-access.ts');
  const { systemOf } = await import('../../core-system.ts');
  const { commitContainer } = await import('../../../core/container/commit.ts');
  const { Container } = await import('../../../core/container/container.ts');
  const { flistOf } = await import('../../../core/container/flist-layer.ts');
  const { createLogger } = await import('../../../fs/log.ts');
  const { printJson } = await import('../../ui/json.ts');
  const config = await stateConfig(context, flags);
  const { record } = await findRunning(config, query);
  const log = createLogger(context.debug ? 'debug' : 'error');
  const container = new Container(await systemOf({ config, log }), record);
  const path = resolve(output);
  const summary = await commitContainer(container, {
    output: path,
    storage: flags.store,
    ...(flags.layer !== true && { base: flistOf(container.folder, record, config.get('coreHub')) }),
    signal: context.signal,
  });
  if (context.json) await printJson(context, { output: path, ...summary });
}
