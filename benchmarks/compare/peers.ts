/**
 * The ways to a root file system that the `compare` suite runs side by side. Each makes what it serves once
 * and then brings a root up from nothing, in an empty folder, over a link. Only what Debian packages.
 */
import { join } from 'node:path';
import { run } from '../harness.ts';
import { casync } from './casync.ts';
import { plain, profiled, unforetold } from './g8ufs.ts';
import {
  background,
  chrootIn,
  folder,
  mountedAt,
  once,
  type Peer,
  type Root,
  ready,
  unmount,
} from './peer.ts';
import { podman } from './podman.ts';

const RCLONE = ['/usr/bin/rclone', 'rclone'] as const;
const MKSQUASHFS = ['/usr/bin/mksquashfs', 'squashfs-tools'] as const;
const MKEROFS = ['/usr/bin/mkfs.erofs', 'erofs-utils'] as const;
const SQUASHFUSE = ['/usr/bin/squashfuse', 'squashfuse'] as const;

export const PEERS: readonly Peer[] = [
  plain,
  unforetold,
  profiled,
  {
    name: 'tar.zst, pull and unpack',
    needs: [
      ['/usr/bin/zstd', 'zstd'],
      ['/usr/bin/curl', 'curl'],
    ],
    server: 'files',
    prepare: (tree, served) =>
      once(join(served, 'root.tar.zst'), (out) =>
        run('sh', ['-c', 'tar -C "$0" -c . | zstd -q -3 -T2 -o "$1"', tree, out]),
      ),
    up: async ({ files }, dir) => {
      const line = 'curl -sf "$0" | zstd -dcq | tar -x -C "$1"';
      await run('sh', ['-c', line, `${files}/root.tar.zst`, dir]);
      return { inRoot: chrootIn(dir), down: async () => {} };
    },
  },
  rclonePeer('squashfs over rclone', [MKSQUASHFS], makeSquashfs, 'root.sqfs', (image, mnt) =>
    run('mount', ['-t', 'squashfs', '-o', 'loop,ro', image, mnt]),
  ),
  rclonePeer('EROFS over rclone', [MKEROFS], makeErofs, 'root.erofs', (image, mnt) =>
    run('mount', ['-t', 'erofs', '-o', 'loop,ro', image, mnt]),
  ),
  rclonePeer(
    'squashfuse over rclone',
    [MKSQUASHFS, SQUASHFUSE],
    makeSquashfs,
    'root.sqfs',
    (image, mnt) => run('squashfuse', ['-o', 'suid,dev,allow_other', image, mnt]),
  ),
  casync,
  podman,
  localPeer(
    'ext4',
    [],
    async () => {},
    async (tree) => ({
      inRoot: chrootIn(tree),
      down: async () => {},
    }),
  ),
  localPeer(
    'overlayfs on ext4',
    [],
    async () => {},
    async (tree, _served, dir) => {
      const mnt = await folder(dir, 'mnt');
      const layers = `lowerdir=${tree},upperdir=${await folder(dir, 'upper')},workdir=${await folder(dir, 'work')}`;
      await run('mount', ['-i', '-t', 'overlay', '-o', layers, 'compare', mnt]);
      return mountedAt(mnt);
    },
  ),
  localPeer('squashfs', [MKSQUASHFS], makeSquashfs, async (_tree, served, dir) => {
    const mnt = await folder(dir, 'mnt');
    await run('mount', ['-t', 'squashfs', '-o', 'loop,ro', join(served, 'root.sqfs'), mnt]);
    return mountedAt(mnt);
  }),
  localPeer('EROFS', [MKEROFS], makeErofs, async (_tree, served, dir) => {
    const mnt = await folder(dir, 'mnt');
    await run('mount', ['-t', 'erofs', '-o', 'loop,ro', join(served, 'root.erofs'), mnt]);
    return mountedAt(mnt);
  }),
  localPeer('squashfuse', [MKSQUASHFS, SQUASHFUSE], makeSquashfs, async (_tree, served, dir) => {
    const mnt = await folder(dir, 'mnt');
    await run('squashfuse', ['-o', 'suid,dev,allow_other', join(served, 'root.sqfs'), mnt]);
    return mountedAt(mnt);
  }),
];

/** An image on a server that rclone shows as a file, mounted by other means. */
function rclonePeer(
  name: string,
  needs: Peer['needs'],
  make: (tree: string, served: string) => Promise<void>,
  image: string,
  mount: (image: string, mnt: string) => Promise<string>,
): Peer {
  return {
    name,
    needs: [RCLONE, ...needs],
    server: 'files',
    prepare: make,
    up: async ({ files }, dir) => {
      const [remote, mnt] = [await folder(dir, 'remote'), await folder(dir, 'mnt')];
      const child = background('rclone', [
        ...['mount', ':http:', remote, '--http-url', files, '--read-only', '--config', '/dev/null'],
        ...['--cache-dir', join(dir, 'cache'), '--vfs-cache-mode', 'full', '--allow-other'],
        ...['--vfs-read-chunk-size', '512k', '--vfs-read-ahead', '0', '--buffer-size', '0'],
      ]);
      await ready(join(remote, image), child);
      await mount(join(remote, image), mnt);
      return {
        inRoot: chrootIn(mnt),
        down: async () => {
          await run('umount', [mnt]);
          await unmount(remote, child);
        },
      };
    },
  };
}

function localPeer(
  name: string,
  needs: Peer['needs'],
  make: (tree: string, served: string) => Promise<void>,
  up: (tree: string, served: string, dir: string) => Promise<Root>,
): Peer {
  let tree = '';
  return {
    name: `local ${name}`,
    needs,
    server: undefined,
    prepare: (from, served) => {
      tree = from;
      return make(from, served);
    },
    up: (_servers, dir, served) => up(tree, served, dir),
  };
}

function makeSquashfs(tree: string, served: string): Promise<void> {
  const level = ['-comp', 'zstd', '-Xcompression-level', '3'];
  return once(join(served, 'root.sqfs'), (out) =>
    run('mksquashfs', [tree, out, ...level, '-no-progress', '-quiet']),
  );
}

function makeErofs(tree: string, served: string): Promise<void> {
  return once(join(served, 'root.erofs'), (out) =>
    run('mkfs.erofs', ['--quiet', '-zlz4hc', '-C65536', out, tree]),
  );
}
