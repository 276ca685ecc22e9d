/**
 * What an image says of how it is run (docs/format.md, section 2.1), as defaults of a command in a container. The
 * image is hostile: its texts are checked, and its users are looked up within its own root.
 */
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { METADATA_FILE } from '../../image/index-files.ts';
import { readInRoot } from './in-root.ts';
import type { ContainerUser } from './oci.ts';

/** What a command in a container begins with. */
export interface ProcessDefaults {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Empty: `/`. */
  readonly workdir: string;
  /** `user[:group]`, names or numbers; empty: root. */
  readonly user: string;
}

const NOTHING: ProcessDefaults = { entrypoint: [], cmd: [], env: {}, workdir: '', user: '' };
/** Databases of users are a few kilobytes. */
const DATABASE_SIZE_MAX = 4 * 1024 * 1024;
const ID_MAX = 2 ** 32 - 2;

/**
 * @param imageDir folder of the unpacked image
 * @throws ERR_FLIST_FORMAT when a setting has a wrong form; ERR_IO
 */
export async function readProcessDefaults(imageDir: string): Promise<ProcessDefaults> {
  const text = await readFile(join(imageDir, METADATA_FILE), 'utf8').catch(absent);
  // Most images that were not made from others say nothing, and then no more is loaded.
  if (!/"(entrypoint|cmd|environ|workdir|user)"/.test(text)) return NOTHING;
  const { parseMetadata } = await import('../../format/flist/metadata.ts');
  const { configOfMetadata } = await import('../../format/oci/metadata.ts');
  const platform = { os: 'linux', architecture: 'amd64' };
  const { run } = configOfMetadata(parseMetadata(text), platform);
  const { entrypoint = [], cmd = [], environ, workdir = '', user = '' } = run;
  if (workdir !== '' && !isAbsolute(workdir)) {
    throw new G8Error(
      'ERR_FLIST_FORMAT',
      `Image wants to start in '${workdir}', which is relative`,
    );
  }
  return { entrypoint, cmd, env: Object.fromEntries(environ ?? []), workdir, user };
}

/**
 * The numbers of a user, by the databases of the root.
 *
 * @param user `user[:group]`; empty: root
 * @throws ERR_USAGE when the root has no such user or group
 */
export async function findUser(root: string, user: string): Promise<ContainerUser> {
  if (user === '' || user === '0' || user === 'root') return { uid: 0, gid: 0 };
  const [name = '', group] = user.split(':');
  const users = await database(root, '/etc/passwd');
  const found = users.find((row) => row[0] === name) ?? users.find((row) => row[2] === name);
  const uid = number(found?.[2] ?? name);
  if (uid === undefined) throw new G8Error('ERR_USAGE', `The image has no user '${name}'`);
  const groups = await database(root, '/etc/group');
  const gid =
    group === undefined || group === ''
      ? (number(found?.[3]) ?? 0)
      : number(groups.find((row) => row[0] === group)?.[2] ?? group);
  if (gid === undefined) throw new G8Error('ERR_USAGE', `The image has no group '${group}'`);
  // Those that name the user as a member; a group that was asked for is the only one.
  const member = found?.[0];
  const others =
    group !== undefined || member === undefined
      ? []
      : groups.filter((row) => row[3]?.split(',').includes(member)).map((row) => number(row[2]));
  const additionalGids = others.filter((id): id is number => id !== undefined && id !== gid);
  return {
    uid,
    gid,
    ...(additionalGids.length > 0 && { additionalGids: [...new Set(additionalGids)] }),
    ...(found?.[5]?.startsWith('/') && { home: found[5] }),
  };
}

/** Rows of a colon-separated file; none when there is no such file. */
async function database(root: string, path: string): Promise<string[][]> {
  const text = (await readInRoot(root, path, DATABASE_SIZE_MAX)) ?? '';
  return text.split('\n').map((line) => line.trimEnd().split(':'));
}

function number(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  return Number(text) <= ID_MAX ? Number(text) : undefined;
}

/** An image without metadata has no such file. */
function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw toG8Error(error, 'ERR_IO', 'Settings of the image cannot be read');
}
