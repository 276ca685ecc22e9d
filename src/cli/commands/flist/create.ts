/** `g8ufs flist create`: makes a flist of a folder and brings its chunks into a store. */
import { Command } from 'commander';
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
}

const ID_MAX = 2 ** 32 - 2;

export function command(context: Context): Command {
  const create = new Command('create')
    .description('make a flist of a folder; its chunks go to a store')
    .argument('<dir>', 'folder that becomes the root of the image')
    .argument('<flist>', 'file to write');
  addCreateFlags(create)
    .option('-x, --exclude <pattern>', 'leave out what matches (repeatable)', repeated, [])
    .option('--one-file-system', 'take mount points below as empty folders')
    .option('--owner <uid:gid>', 'record this owner for everything')
    .option('--mtime <time>', 'record this time for everything: seconds since 1970, or ISO 8601')
    .action((dir: string, flist: string, flags: Flags) => run(context, dir, flist, flags));
  return addHelpSections(create, {
    examples: [
      ['flist create ./rootfs debian.flist --store http://127.0.0.1:8080', 'chunks to a hub'],
      ['flist create ./rootfs debian.flist --store dir:///srv/chunks', 'chunks to a folder'],
      [
        "flist create / host.flist --store http://hub:8080 --one-file-system --exclude '/tmp/*' --publish demo/host",
        'this machine, published at once',
      ],
    ],
    settings: ['stores', 'blockSize', 'level'],
    failures: [
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

async function run(context: Context, dir: string, flist: string, flags: Flags): Promise<void> {
  const { createAndReport } = await import('../../create-access.ts');
  const image = {
    source: dir,
    exclude: flags.exclude,
    oneFileSystem: flags.oneFileSystem === true,
    owner: flags.owner === undefined ? undefined : parseOwner(flags.owner),
    mtimeSeconds: flags.mtime === undefined ? undefined : parseTime(flags.mtime),
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

function parseTime(text: string): number {
  const seconds = /^-?\d{1,12}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000);
  if (!Number.isSafeInteger(seconds)) {
    throw new G8Error('ERR_USAGE', `--mtime is '${text}', not seconds or an ISO 8601 time`);
  }
  return seconds;
}
