/** `g8ufs flist export`: an image as a folder, a tar archive or an OCI image. */
import { Command, Option } from 'commander';
import { G8Error } from '../../../base/errors.ts';
import { plural } from '../../../base/plural.ts';
import type { LayerCompression as Compression } from '../../../image/oci/compress.ts';
import type { Context } from '../../context.ts';
import type { ExportSummary } from '../../export-archive.ts';
import { addHelpSections } from '../../help.ts';
import { addStoreFlag, type StoreFlags } from '../../store-access.ts';

interface Flags extends StoreFlags {
  readonly path: string;
  readonly compress?: Compression;
  readonly sparse?: boolean;
  readonly platform?: string;
  readonly insecureRegistry?: boolean;
}

export function command(context: Context): Command {
  const command = new Command('export')
    .description(
      'write an image out as a folder, a tar archive or an OCI image; every chunk is verified',
    )
    .argument('<flist>', 'flist file or URL')
    .argument(
      '<target>',
      'folder to make, archive to write (*.tar, *.tar.gz, *.tar.zst), - or an image',
    );
  addStoreFlag(command)
    .option('--path <path>', 'only what is at this path of the image', '/')
    .addOption(
      new Option(
        '--compress <how>',
        'of an archive or layer; without it the name of the target says',
      ).choices(['none', 'gzip', 'zstd']),
    )
    .option(
      '--sparse',
      'leave holes out of an archive (GNU format 1.0; not every program reads it)',
    )
    .option('--platform <os/arch>', 'what an image is for (default: what its settings say)')
    .option('--insecure-registry', 'talk plain http to a registry of another machine')
    .action((flist: string, target: string, flags: Flags) => run(context, flist, target, flags));
  return addHelpSections(command, {
    notes: [
      'A folder is made under another name beside its place and renamed when it is complete; it must not be there yet, or be empty. Only root can restore owners, devices and all attributes; what others have to leave out is said at the end.',
      'An archive is in PAX format and the same for the same image. It cannot hold sockets: they are left out, and said.',
      'An image is oci:PATH[:TAG] (an OCI layout, made or added to), oci-archive:FILE[:TAG] (a tar of one), docker-archive:FILE[:NAME] (for docker load) or oci://HOST/REPOSITORY[:TAG] (pushed to a registry). It has one layer, gzip by default, and the settings of the flist as its configuration.',
    ],
    examples: [
      ['flist export debian.flist ./rootfs --store http://hub:8080', 'a folder'],
      ['flist export debian.flist debian.tar.zst --store dir:///srv/chunks', 'an archive'],
      [
        'flist export app.flist oci:./layout:v1 --store http://hub:8080',
        'an image in an OCI layout',
      ],
      ['flist export app.flist oci://registry:5000/app:v1 -s http://hub:8080', 'one in a registry'],
      ['flist export debian.flist - --path /etc | tar -tv', 'a part of it, into a pipe'],
    ],
    settings: ['stores'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_CREATE',
      'ERR_IO',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(context: Context, flist: string, target: string, flags: Flags): Promise<void> {
  const { exportImage, isImageTarget } = await import('../../export-access.ts');
  const isImage = isImageTarget(target);
  const compression = flags.compress ?? (isImage ? undefined : compressionOf(target));
  if (!isImage && compression === undefined && flags.sparse !== undefined) {
    throw new G8Error('ERR_USAGE', `--sparse is for archives; ${target} is a folder`);
  }
  if (!isImage && (flags.platform !== undefined || flags.insecureRegistry !== undefined)) {
    throw new G8Error('ERR_USAGE', '--platform and --insecure-registry are for images');
  }
  if (target === '-' && context.json) {
    throw new G8Error('ERR_USAGE', 'An archive on stdout leaves no room for JSON');
  }
  const { path, sparse = false, platform, insecureRegistry } = flags;
  const request = { flist, target, path, compression, sparse, platform, insecureRegistry };
  await report(context, await exportImage(context, request, flags));
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
  const { escapeName } = await import('../../../base/name-text.ts');
  const name = escapeName(Buffer.from(summary.target));
  const size = summary.size === undefined ? '' : `, ${formatSize(summary.size)}`;
  const digest = summary.digest === undefined ? '' : `, ${summary.digest}`;
  context.stdout.write(
    `${name}${size}: ${plural(summary.entries, 'entry', 'entries')} with ${formatSize(summary.bytes)}${digest}\n`,
  );
}
