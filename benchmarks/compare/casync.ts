/** casync: a chunk index on the server, mounted; chunks are fetched when they are read. */
import { join } from 'node:path';
import { run } from '../harness.ts';
import { background, chrootIn, folder, once, type Peer, ready, unmount } from './peer.ts';

export const casync: Peer = {
  name: 'casync mount',
  needs: [['/usr/bin/casync', 'casync']],
  server: 'files',
  prepare: (tree, served) =>
    once(join(served, 'root.caidx'), async (out) => {
      const store = `--store=${join(served, 'casync.castr')}`;
      await run('casync', ['make', store, '--compression=zstd', '--with=unix', out, tree]);
    }),
  up: async ({ files }, dir) => {
    const mnt = await folder(dir, 'mnt');
    const child = background('casync', [
      ...['mount', `--store=${files}/casync.castr`, `${files}/root.caidx`, mnt],
    ]);
    await ready(join(mnt, 'usr'), child);
    return { inRoot: chrootIn(mnt), down: () => unmount(mnt, child) };
  },
};
