/** `g8ufs metrics`: the counters of a mount daemon as Prometheus reads them. */
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const metrics = new Command('metrics')
    .description('print the metrics of the mount daemon in the text format of Prometheus')
    .option('--cache <dir>', 'folder of the content cache (default: see config show)')
    .action((flags: { cache?: string }) => run(context, flags.cache));
  return addHelpSections(metrics, {
    examples: [
      ['metrics', 'for the text file collector of a node exporter'],
      ['metrics --cache /var/cache/g8ufs', 'of the daemon of another cache'],
      ['daemon --metrics 127.0.0.1:9469', 'let a collector fetch them instead'],
    ],
    settings: ['cacheDir'],
    notes: ['One daemon serves all mounts of a cache; its figures are the sums over them.'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, cache: string | undefined): Promise<void> {
  const { loadConfig } = await import('../../config/config.ts');
  const { connectDaemon } = await import('../../fs/client.ts');
  const { registryDir } = await import('../../base/paths.ts');
  const { G8Error } = await import('../../base/errors.ts');
  const config = await loadConfig(context.env, { cacheDir: cache });
  const cacheDir = config.get('cacheDir');
  const client = await connectDaemon(cacheDir, registryDir(context.env));
  if (client === undefined) {
    throw new G8Error('ERR_NO_INPUT', `No mount daemon runs for the cache ${cacheDir}`);
  }
  try {
    const text = await client.request<string>('metrics', {});
    const { writeAll } = await import('../ui/output.ts');
    if (context.json) {
      const { printJson } = await import('../ui/json.ts');
      await printJson(context, { cacheDir, text });
    } else await writeAll(context.stdout, text, context.signal);
  } finally {
    client.close();
  }
}
