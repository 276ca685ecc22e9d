/** What the commands about containers share: the state folder, and a container in it by number or name. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { ContainerFolder } from '../core/container/container-folder.ts';
import { isAlive } from '../core/container/process-identity.ts';
import { type ContainerRecord, readRecord } from '../core/container/record.ts';
import type { Context } from './context.ts';

export interface StateFlags {
  readonly state?: string;
}

/** A container as its folder tells it, and whether that is still true. */
export interface KnownContainer {
  readonly record: ContainerRecord;
  readonly folder: ContainerFolder;
  /** `dead`: whoever had it has died, and nobody has cleaned up yet. */
  readonly state: 'creating' | 'running' | 'ending' | 'dead';
}

/** @throws ERR_CONFIG */
export async function stateConfig(context: Context, flags: StateFlags): Promise<Config> {
  const { loadConfig } = await import('../config/config.ts');
  return await loadConfig(context.env, { coreState: flags.state });
}

/** All containers of a state folder, by number. @throws ERR_PERMISSION, ERR_IO */
export async function listContainers(config: Config): Promise<KnownContainer[]> {
  const parent = join(config.get('coreState'), 'containers');
  const names = await readdir(parent).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw toG8Error(error, 'ERR_IO', `State folder ${config.get('coreState')} cannot be read`);
  });
  const ids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const known: KnownContainer[] = [];
  for (const id of ids.sort((a, b) => a - b)) {
    const folder = new ContainerFolder(join(parent, String(id)));
    const record = await readRecord(folder.path);
    // One that is only just being made, or just gone.
    if (record !== undefined) known.push({ record, folder, state: stateOf(record) });
  }
  return known;
}

/**
 * @param query number or name; a name that several have means none of them
 * @throws ERR_NO_INPUT, ERR_USAGE when the name says too little
 */
export async function findContainer(config: Config, query: string): Promise<KnownContainer> {
  const all = await listContainers(config);
  const byId = all.find(({ record }) => String(record.id) === query);
  if (byId !== undefined) return byId;
  const byName = all.filter(({ record }) => record.arguments.name === query && query !== '');
  if (byName.length > 1) {
    throw new G8Error('ERR_USAGE', `${byName.length} containers are called ${query}; say which`);
  }
  const [found] = byName;
  if (found === undefined) throw new G8Error('ERR_NO_INPUT', `There is no container ${query}`);
  return found;
}

/** As {@link findContainer}, one that runs. @throws ERR_NO_INPUT when it does not */
export async function findRunning(config: Config, query: string): Promise<KnownContainer> {
  const found = await findContainer(config, query);
  if (found.state === 'running') return found;
  throw new G8Error('ERR_NO_INPUT', `Container ${query} does not run: it is ${found.state}`);
}

function stateOf(record: ContainerRecord): KnownContainer['state'] {
  if (record.state === 'running') {
    return record.init !== null && isAlive(record.init) ? 'running' : 'dead';
  }
  return isAlive(record.owner) ? record.state : 'dead';
}
