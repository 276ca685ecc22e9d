/** `g8ufs flist export`: an image as a folder or a tar archive. */
import { Command, Option } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import type { LayerCompression as Compression } from '../../../image/oci/compress.ts';
import type { Context } from '../../context.ts';
import type { ExportSummary } from '../../export-access.ts';
import { addHelpSections } from '../../help.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

interface Flags extends StoreFlags {
  readonly path: string;
  readonly compress?: Compression;
  readonly sparse?: boolean;
}

export function command(context: Context): Command {
  const command = new Command('export')
    .description('write an image out as a folder or a tar archive; every chunk is verified')
    .argument('<flist>', 'flist file or URL')
    .argument('<target>', 'folder to make, archive to write (*.tar, *.tar.gz, *.tar.zst), or -');
  addStoreFlag(command)
    .option('--path <path>', 'only what is at this path of the image', '/')
    .addOption(
      new Option(
        '--compress <how>',
        'of an archive; without it the name of the target says',
      ).choices(['none', 'gzip', 'zstd']),
    )
    .option(
      '--sparse',
      'leave holes out of an archive (GNU format 1.0; not every program reads it)',
    )
    .action((flist: string, target: string, flags: Flags) => run(context, flist, target, flags));
  return addHelpSections(command, {
    notes: [
      'A folder is made under another name beside its place and renamed when it is complete; it must not be there yet, or be empty. Only root can restore owners, devices and all attributes; what others have to leave out is said at the end.',
      'An archive is in PAX format and the same for the same image. It cannot hold sockets: they are left out, and said.',
    ],
    examples: [
      ['flist export debian.flist ./rootfs --store http://hub:8080', 'a folder'],
      ['flist export debian.flist debian.tar.zst --store dir:///srv/chunks', 'an archive'],
      ['flist export debian.flist - --path /etc | tar -tv', 'a part of it, into a pipe'],
    ],
    settings: ['stores'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, flist: string, target: string, flags: Flags): Promise<void> {
  const { exportImage } = await import('../../export-access.ts');
  const compression = flags.compress ?? compressionOf(target);
  if (compression === undefined && (flags.compress ?? flags.sparse) !== undefined) {
    throw new G8Error(
      'ERR_USAGE',
      `--compress and --sparse are for archives; ${target} is a folder`,
    );
  }
  if (target === '-' && context.json) {
    throw new G8Error('ERR_USAGE', 'An archive on stdout leaves no room for JSON');
  }
  const { path, sparse = false } = flags;
  const summary = await exportImage(context, { flist, target, path, compression, sparse }, flags);
  await report(context, summary);
}

/** @returns `undefined` for a folder */
function compressionOf(target: string): Compression | undefined {
  if (target === '-' || /\.tar$/i.test(target)) return 'none';
  if (/\.(tar\.gz|tgz)$/i.test(target)) return 'gzip';
  return /\.(tar\.zst|tzst)$/i.test(target) ? 'zstd' : undefined;
}

async function report(context: Context, summary: ExportSummary): Promise<void> {
  const { skipped, ...counts } = summary;
  if (context.json) {
    const { printJson } = await import('../../ui/json.ts');
    await printJson(context, { ...counts, skipped });
    return;
  }
  const left = Object.entries(skipped).filter(([, count]) => count > 0);
  if (left.length > 0) {
    const list = left.map(([what, count]) => `${count} ${what}`).join(', ');
    context.stderr.write(`g8ufs: left out: ${list}\n`);
  }
  if (context.quiet || summary.target === '-') return;
  const { formatSize } = await import('../../../base/bytes.ts');
  const { escapeName } = await import('../../ui/name.ts');
  const name = escapeName(Buffer.from(summary.target));
  const size = summary.size === undefined ? '' : `, ${formatSize(summary.size)}`;
  context.stdout.write(
    `${name}${size}: ${summary.entries} entries with ${formatSize(summary.bytes)}\n`,
  );
}
