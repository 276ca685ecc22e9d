/** `g8ufs flist create`: makes a flist of a folder, an archive, an image or another flist; its chunks go to a store. */
import { Command } from 'commander';
import { parseSize } from '../../../base/bytes.ts';
import { G8Error } from '../../../base/errors.ts';
import type { Context } from '../../context.ts';
import type { CreateFlags } from '../../create-access.ts';
import { addCreateFlags, repeated } from '../../create-flags.ts';
import { addHelpSections } from '../../help.ts';

interface Flags extends CreateFlags {
  readonly exclude: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly owner?: string;
  readonly mtime?: string;
  readonly parent?: string;
  readonly sourceStore: readonly string[];
  readonly platform?: string;
  readonly insecureRegistry?: boolean;
  readonly unpackLimit?: string;
}

const ID_MAX = 2 ** 32 - 2;

export function command(context: Context): Command {
  const create = new Command('create')
    .description('make a flist of a folder, a tar archive, an OCI image or another flist')
    .argument(
      '<source>',
      'folder, tar (plain, gzip, zstd, xz), image, flist or its URL; - is a tar from stdin',
    )
    .argument('<flist>', 'file to write');
  addCreateFlags(create)
    .option('-x, --exclude <pattern>', 'leave out what matches (repeatable)', repeated, [])
    .option(
      '--parent <flist>',
      'earlier image of the folder: read only files that have changed since',
    )
    .option('--one-file-system', 'take mount points below as empty folders')
    .option('--owner <uid:gid>', 'record this owner for everything')
    .option('--mtime <time>', 'record this time for everything: seconds since 1970, or ISO 8601')
    .option(
      '--source-store <url>',
      'where the chunks of a flist as source are, after the stores it names (repeatable)',
      repeated,
      [],
    )
    .option(
      '--platform <os/arch>',
      'of an image, the one for os/arch[/variant] (default: this machine)',
    )
    .option('--insecure-registry', 'talk plain http to a registry of another machine')
    .option(
      '--unpack-limit <size>',
      'bytes that a layer of an image may unpack to (default: 64GiB)',
    )
    .action((source: string, flist: string, flags: Flags) => run(context, source, flist, flags));
  return addHelpSections(create, {
    notes: [
      'An image is oci:PATH[:TAG] (an OCI layout, in a folder or a tar), docker-archive:PATH[:NAME] (what docker save writes) or oci://HOST/REPOSITORY[:TAG|@DIGEST] (in a registry). Credentials are those of docker, podman and skopeo.',
      'What a plain path is, is looked up: a layout or docker archive is an image too. dir:, tar: and flist: in front of it say it.',
    ],
    examples: [
      ['flist create ./rootfs debian.flist --store http://127.0.0.1:8080', 'chunks to a hub'],
      ['flist create ./rootfs debian.flist --store dir:///srv/chunks', 'chunks to a folder'],
      [
        'flist create ./rootfs new.flist --store dir:///srv/chunks --parent debian.flist',
        'again, reading only what has changed',
      ],
      ['flist create rootfs.tar.zst debian.flist --store dir:///srv/chunks', 'of an archive'],
      [
        "flist create - box.flist -s http://hub:8080 -x 'var/cache/*' < box.tar",
        'of an archive that comes from another program, without its caches',
      ],
      [
        'flist create old.flist new.flist -s http://hub:8080 --block-size 128KiB',
        'of another flist, with chunks of another size',
      ],
      [
        'flist create oci:./layout:v1 app.flist -s dir:///srv/chunks',
        'of an image in an OCI layout',
      ],
      [
        'flist create docker-archive:app.tar app.flist -s dir:///srv/chunks',
        'of what docker saved',
      ],
      [
        'flist create oci://docker.io/debian:12 debian.flist -s http://hub:8080 --platform linux/arm64',
        'of an image in a registry, for another machine',
      ],
      [
        "flist create / host.flist --store http://hub:8080 --one-file-system --exclude 'tmp/*' --publish demo/host",
        'this machine, published at once',
      ],
    ],
    settings: ['stores', 'blockSize', 'level'],
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

async function run(context: Context, source: string, flist: string, flags: Flags): Promise<void> {
  const { createAndReport } = await import('../../create-access.ts');
  const image = {
    source,
    parent: flags.parent,
    sourceStores: flags.sourceStore,
    exclude: flags.exclude,
    oneFileSystem: flags.oneFileSystem === true,
    owner: flags.owner === undefined ? undefined : parseOwner(flags.owner),
    mtimeSeconds: flags.mtime === undefined ? undefined : parseTime(flags.mtime),
    oci: {
      platform: flags.platform,
      insecureRegistry: flags.insecureRegistry,
      unpackLimit: flags.unpackLimit === undefined ? undefined : parseLimit(flags.unpackLimit),
    },
  };
  await createAndReport(context, flist, image, flags);
}

function parseOwner(text: string): { uid: number; gid: number } {
  const match = /^(\d{1,10}):(\d{1,10})$/.exec(text);
  const [uid, gid] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || uid > ID_MAX || gid > ID_MAX) {
    throw new G8Error('ERR_USAGE', `--owner is '${text}', not UID:GID`);
  }
  return { uid, gid };
}

function parseLimit(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) {
    throw new G8Error('ERR_USAGE', `--unpack-limit is '${text}', not a size such as 100GiB`);
  }
  return bytes;
}

function parseTime(text: string): number {
  const seconds = /^-?\d{1,12}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000);
  if (!Number.isSafeInteger(seconds)) {
    throw new G8Error('ERR_USAGE', `--mtime is '${text}', not seconds or an ISO 8601 time`);
  }
  return seconds;
}
