/** This program, as one of the peers: an image that is mounted from a hub, without and with a start profile. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { command, g8ufs, run } from '../harness.ts';
import { chrootIn, folder, once, type Peer, type Root, type Servers } from './peer.ts';

const START = ['python3', '-c', 'import json,sqlite3,ssl; print(1)'];

export const plain: Peer = {
  name: 'g8ufs',
  needs: [],
  server: 'hub',
  prepare: async (tree, served, { hub }) => {
    await publish(tree, served, `${hub}/bench/root`);
  },
  up: (servers, dir) => mountFrom(servers, dir, 'root'),
};

/** What it is without guesses. */
export const unforetold: Peer = {
  ...plain,
  name: 'g8ufs, --prefetch none',
  up: (servers, dir) => mountFrom(servers, dir, 'root', '--prefetch', 'none'),
};

/** The profile is of one other start, on an empty cache. */
export const profiled: Peer = {
  name: 'g8ufs, start profile',
  needs: [],
  server: 'hub',
  prepare: async (tree, served, { hub }) => {
    await once(join(served, 'start.profile'), async (profile) => {
      await publish(tree, served, `${hub}/bench/profiled`);
      const dir = await folder(served, 'recording');
      const mnt = await folder(dir, 'mnt');
      const source = `${hub}/bench/profiled.flist`;
      const cache = join(dir, 'cache');
      await g8ufs('mount', source, mnt, '--cache', cache, '--record', profile);
      try {
        await run(...chrootIn(mnt)(START));
      } finally {
        await g8ufs('umount', mnt);
      }
      await g8ufs('profile', 'publish', profile, `${hub}/bench/profiled`);
    });
  },
  up: (servers, dir) => mountFrom(servers, dir, 'profiled'),
};

async function publish(tree: string, served: string, target: string): Promise<void> {
  const flist = join(served, 'root.flist');
  // A folder is named in no flist: a mount asks the hub that it came from, seen through the link.
  const store = `dir://${join(served, 'hub/chunks')}`;
  if (!existsSync(flist)) {
    await run(...command('flist', 'create', tree, flist, '--store', store, '--json'));
  }
  await g8ufs('push', flist, target);
}

async function mountFrom(
  { hub }: Servers,
  dir: string,
  name: string,
  ...more: string[]
): Promise<Root> {
  const mnt = await folder(dir, 'mnt');
  const options = ['--cache', join(dir, 'cache'), ...more];
  await g8ufs('mount', `${hub}/bench/${name}.flist`, mnt, ...options);
  return { inRoot: chrootIn(mnt), down: () => g8ufs('umount', '--lazy', mnt) };
}
