/** The flags that `flist create` and `flist build` have in common. Light: help pages load it. */
import { type Command, Option } from 'commander';

export function addCreateFlags(command: Command): Command {
  return command
    .option(
      '-s, --store <url>',
      'where chunks go: http(s)://… or dir:///path (default: G8UFS_STORE)',
    )
    .option('--route <url>', 'store that the flist names to readers (default: an http(s) --store)')
    .option('--block-size <size>', 'size of chunks, a power of two (default: 512KiB)')
    .option('--level <number>', 'zstd level, 1 to 19 (default: 3)')
    .addOption(
      new Option('--compress <how>', 'compression of the flist itself')
        .choices(['gzip', 'zstd', 'none'])
        .default('gzip'),
    )
    .option('--publish <repo/name>', 'push the flist to the hub that is the store');
}

/** Collects a repeatable option. */
export function repeated(value: string, values: readonly string[]): string[] {
  return [...values, value];
}
