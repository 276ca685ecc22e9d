/**
 * Everything that has to be there before a container can start: mounts, network, files of ours, and the bundle
 * that the runtime reads. What fails half-way is taken away by the caller.
 */
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { type ContainerArguments, isFlistSource } from './arguments.ts';
import type { ContainerFolder } from './container-folder.ts';
import type { PreparedNetwork } from './container-network.ts';
import { linkInRoot, writeInRoot } from './in-root.ts';
import {
  type Bind,
  type ContainerLimits,
  type ContainerUser,
  OWN_FOLDER,
  ociConfig,
} from './oci.ts';
import { findUser, readProcessDefaults } from './process-defaults.ts';
import type { ContainerRecord } from './record.ts';
import { mountLimited } from './root-mounts.ts';
import { rootSource } from './root-source.ts';
import { type ContainerSystem, cgroupOf, folderOf } from './system.ts';

/** A container as it is wanted. */
export interface ContainerOrder {
  readonly arguments: ContainerArguments;
  /** What the first process runs; absent: nothing, the container waits for jobs until it is terminated. */
  readonly command?: readonly string[];
  /**
   * What is not said here is taken from the image: `command` is then what follows its entrypoint, by default what
   * the image says, and a shell when it says nothing. Default false.
   */
  readonly fromImage?: boolean;
  /** In the place of the image's entrypoint and its arguments. */
  readonly entrypoint?: readonly string[];
  /** `user[:group]`, names or numbers of the container; default root. */
  readonly user?: string;
  /** Where the command starts; default `/`. */
  readonly cwd?: string;
  /** The command gets the terminal of whoever starts it in the foreground. Default false. */
  readonly terminal?: boolean;
  readonly limits?: ContainerLimits;
  /** Size that all writes together may have; they are then kept in memory. Default: what the disk has. */
  readonly layerSizeBytes?: number;
}

/** Where the mounts of a container will be, in the order in which they are made. */
export function mountPointsOf(folder: ContainerFolder, args: ContainerArguments): string[] {
  return [folder.root, ...flistMounts(args).map((_, index) => folder.mount(index).point)];
}

export interface PreparedContainer {
  /** The network as it has become. */
  readonly network: PreparedNetwork;
  /** What the first process will run; `null`: nothing. */
  readonly command: readonly string[] | null;
}

/**
 * @throws ERR_NO_INPUT, ERR_USAGE, ERR_MOUNT, ERR_FLIST_FORMAT, ERR_STORE_UNAVAILABLE, and what the network throws
 */
export async function prepare(
  system: ContainerSystem,
  { id }: Pick<ContainerRecord, 'id'>,
  order: ContainerOrder,
): Promise<PreparedContainer> {
  const folder = folderOf(system, id);
  await checkBinds(order.arguments);
  await makeMountPoints(folder, order);
  const mounted = mountAll(system, folder, order.arguments);
  const connected = system.network.prepare(id, order.arguments);
  const named = connected.then(async (network) => {
    await makeOwnFolders(folder);
    await writeNames(folder, id, order.arguments, network);
  });
  // Nothing of it may go on while what is there is taken away again.
  const results = await Promise.allSettled([connected, mounted, named]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  const network = await connected;
  const process = await processOf(order, folder.root, await mounted);
  for (const [path, content] of Object.entries(order.arguments.config ?? {})) {
    await writeInRoot(folder.root, path, content);
  }
  await Promise.all([
    linkInRoot(folder.root, '/etc/mtab', '../proc/self/mounts'),
    writeBundle(system, folder, id, { order, network, process }),
  ]);
  return { network, command: process.command ?? null };
}

/** How the first process is started. */
interface FirstProcess {
  readonly command: readonly string[] | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: ContainerUser;
}

async function processOf(
  order: ContainerOrder,
  root: string,
  imageDir: string,
): Promise<FirstProcess> {
  const { command, cwd, entrypoint, fromImage, user = '' } = order;
  const env = order.arguments.env ?? {};
  if (fromImage !== true) {
    return { command, cwd: cwd ?? '/', env, user: await findUser(root, user) };
  }
  const image = await readProcessDefaults(imageDir);
  const words = [
    ...(entrypoint ?? image.entrypoint),
    ...(command ?? (entrypoint === undefined ? image.cmd : [])),
  ];
  return {
    command: words.length > 0 ? words : ['/bin/sh'],
    cwd: cwd ?? (image.workdir || '/'),
    env: { ...image.env, ...env },
    user: await findUser(root, user || image.user),
  };
}

function flistMounts(args: ContainerArguments): [source: string, target: string][] {
  return Object.entries(args.mount ?? {}).filter(([source]) => isFlistSource(source));
}

/** Paths of the host have to be there: nothing is made at them. */
async function checkBinds(args: ContainerArguments): Promise<void> {
  for (const source of Object.keys(args.mount ?? {})) {
    if (isFlistSource(source)) continue;
    await stat(source).catch((error: unknown) => {
      throw toG8Error(error, 'ERR_NO_INPUT', `Mount source ${source} cannot be used`);
    });
  }
}

async function makeMountPoints(folder: ContainerFolder, order: ContainerOrder): Promise<void> {
  await mkdir(folder.layer, { mode: 0o700 });
  if (order.layerSizeBytes !== undefined) await mountLimited(folder.layer, order.layerSizeBytes);
  for (const path of mountPointsOf(folder, order.arguments))
    await makeFolder(path, { mode: 0o700 });
}

async function makeOwnFolders(folder: ContainerFolder): Promise<void> {
  const own = [folder.bundle, folder.jobs, dirname(folder.file('hosts'))];
  for (const path of own) await makeFolder(path, { mode: 0o700 });
}

/** @returns folder of the root's unpacked image */
async function mountAll(
  system: ContainerSystem,
  folder: ContainerFolder,
  args: ContainerArguments,
): Promise<string> {
  const { mounts, hubUrl } = system;
  const { storage } = args;
  const root = { mountPoint: folder.root, upper: folder.upper, work: folder.work, storage };
  const results = await Promise.allSettled([
    mounts.mount({ source: rootSource(args.root, hubUrl), ...root }),
    ...flistMounts(args).map(([source], index) => {
      const { point: mountPoint, upper, work } = folder.mount(index);
      return mounts.mount({ source: rootSource(source), mountPoint, upper, work, storage });
    }),
  ]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return (results[0] as PromiseFulfilledResult<string>).value;
}

/** The files of /etc that say what the container is called and how it finds others. */
async function writeNames(
  folder: ContainerFolder,
  id: number,
  { hostname }: ContainerArguments,
  { address, resolvConf }: PreparedNetwork,
): Promise<void> {
  const name = hostname || `core-${id}`;
  const hosts = [
    `127.0.0.1 localhost${address === undefined ? ` ${name}` : ''}`,
    '::1 localhost ip6-localhost ip6-loopback',
    ...(address === undefined ? [] : [`${address} ${name}`]),
  ];
  const options = { mode: 0o644 };
  await Promise.all([
    writeFile(folder.file('hostname'), `${name}\n`, options),
    writeFile(folder.file('hosts'), `${hosts.join('\n')}\n`, options),
    resolvConf === undefined
      ? copyHostResolvConf(folder.file('resolv.conf'))
      : writeFile(folder.file('resolv.conf'), `${resolvConf.join('\n')}\n`, options),
  ]);
}

async function copyHostResolvConf(path: string): Promise<void> {
  await copyFile('/etc/resolv.conf', path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    await writeFile(path, '', { mode: 0o644 });
  });
}

async function writeBundle(
  system: ContainerSystem,
  folder: ContainerFolder,
  id: number,
  made: { order: ContainerOrder; network: PreparedNetwork; process: FirstProcess },
): Promise<void> {
  const { order, network, process: first } = made;
  const { arguments: args, terminal } = order;
  const config = ociConfig({
    id,
    rootfs: folder.root,
    hostname: args.hostname,
    privileged: args.privileged,
    env: first.env,
    user: first.user,
    ...(first.command === undefined ? {} : { command: first.command }),
    cwd: first.cwd,
    ...(terminal === undefined ? {} : { terminal }),
    network: network.namespace,
    cgroupPath: cgroupOf(system, id),
    limits: { ...system.limits, ...order.limits },
    binds: bindsOf(system, folder, args),
    initProgram: system.initProgram,
    status: readFileSync('/proc/self/status', 'utf8'),
    arch: process.arch,
  });
  await writeFile(join(folder.bundle, 'config.json'), JSON.stringify(config), { mode: 0o600 });
}

function bindsOf(
  system: ContainerSystem,
  folder: ContainerFolder,
  args: ContainerArguments,
): Bind[] {
  const etc = (['hosts', 'hostname', 'resolv.conf'] as const).map((name) => ({
    source: folder.file(name),
    target: `/etc/${name}`,
    isReadOnly: false,
  }));
  const flists = flistMounts(args).map(([, target], index) => ({
    source: folder.mount(index).point,
    target,
    isReadOnly: false,
  }));
  const paths = Object.entries(args.mount ?? {})
    .filter(([source]) => !isFlistSource(source))
    .map(([source, target]) => ({ source, target, isReadOnly: false }));
  const programs = Object.entries(system.programs).map(([name, source]) => ({
    source,
    target: `${OWN_FOLDER}/${name}`,
    isReadOnly: true,
  }));
  return [...etc, ...flists, ...paths, ...programs];
}
