/** `g8ufs core logs`: what the first process of a container has written. */
import { Command } from 'commander';
import type { Context } from '../../context.ts';
import type { StateFlags } from '../../core-access.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends StateFlags {
  readonly follow?: boolean;
}

const BLOCK_SIZE = 64 * 1024;
/** Nothing tells that a file has grown but looking at it. */
const LOOK_MS = 100;

export function command(context: Context): Command {
  const logs = new Command('logs')
    .description("print what a container's first process and its runtime have written")
    .argument('<container>', 'its number or name')
    .option('-f, --follow', 'go on until the container has ended')
    .option('--state <dir>', 'state folder of the core daemon (default: see config show)')
    .action((query: string, flags: Flags) => run(context, query, flags));
  return addHelpSections(logs, {
    examples: [
      ['core logs web', 'all of it'],
      ['core logs -f web', 'and what comes'],
    ],
    settings: ['coreState'],
    failures: ['ERR_NO_INPUT', 'ERR_PERMISSION', 'ERR_IO'],
  });
}

async function run(context: Context, query: string, flags: Flags): Promise<void> {
  const { open } = await import('node:fs/promises');
  const { sleep } = await import('../../../base/deadline.ts');
  const { toG8Error } = await import('../../../base/errors.ts');
  const { isAlive } = await import('../../../core/container/process-identity.ts');
  const { findContainer, stateConfig } = await import('../../core-access.ts');
  const { writeAll } = await import('../../ui/output.ts');
  const { record, folder } = await findContainer(await stateConfig(context, flags), query);
  // Once it is open it can be read to its end, although the container's folder goes away.
  const file = await open(folder.log, 'r').catch((error: unknown) => {
    throw toG8Error(error, 'ERR_IO', `Log of container ${query} cannot be read`);
  });
  try {
    const block = Buffer.alloc(BLOCK_SIZE);
    for (;;) {
      const isLast = flags.follow !== true || record.init === null || !isAlive(record.init);
      for (;;) {
        const { bytesRead } = await file.read(block, 0, BLOCK_SIZE);
        if (bytesRead === 0) break;
        await writeAll(context.stdout, Buffer.from(block.subarray(0, bytesRead)), context.signal);
      }
      if (isLast) return;
      await sleep(LOOK_MS, context.signal);
    }
  } finally {
    await file.close();
  }
}
