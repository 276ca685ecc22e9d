/** `g8ufs flist verify`: whether a flist, its chunks and its signature are what they should be. */
import { Command } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import { repeated } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

/** As `cache verify` has it. */
const FOUND_EXIT_CODE = 1;

interface Flags extends StoreFlags {
  readonly chunks?: boolean;
  readonly data?: boolean;
  readonly against?: string;
  readonly key: readonly string[];
  readonly signature?: string;
}

export function command(context: Context): Command {
  const verify = new Command('verify')
    .description('check a flist, its chunks, its signature, and what it was made of')
    .argument('<flist>', 'flist file or URL')
    .option('--chunks', 'ask the stores whether they have every chunk')
    .option('--data', 'fetch every chunk and check what is in it')
    .option('--against <source>', 'compare with a folder, tar archive or other flist')
    .option(
      '--key <file>',
      'require a signature by one of these public keys (repeatable)',
      repeated,
      [],
    )
    .option('--signature <file>', 'where the signature is (default: beside the flist, with .sig)');
  addStoreFlag(verify).action((flist: string, flags: Flags) => run(context, flist, flags));
  return addHelpSections(verify, {
    notes: [
      'The structure is always checked: the package, every row of its mount index, every record, and that both tell the same tree. All findings are printed, up to 1000 of them.',
      'With --against, contents of flists whose chunks have another size or digest than those of the image cannot be compared; they are findings.',
    ],
    examples: [
      ['flist verify debian.flist', 'the flist alone'],
      [
        'flist verify debian.flist --data --store http://hub:8080',
        'everything that a mount could read',
      ],
      ['flist verify debian.flist --against ./rootfs', 'is it still what is in the folder'],
      ['flist verify debian.flist --key release.pub', 'who made it'],
    ],
    results: [[FOUND_EXIT_CODE, 'something is not as it should be']],
    settings: ['stores'],
    failures: [
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, flist: string, flags: Flags): Promise<void> {
  if (flags.signature !== undefined && flags.key.length === 0) {
    throw new G8Error('ERR_USAGE', '--signature needs --key');
  }
  const { verifyFlist } = await import('../../verify-access.ts');
  const report = await verifyFlist(context, flist, flags);
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, report.toJson());
  } else {
    const { writeAll } = await import('../../ui/output.ts');
    await writeAll(context.stdout, report.toText(context.quiet), context.signal);
  }
  if (report.findingCount > 0) context.setExitCode(FOUND_EXIT_CODE);
}
