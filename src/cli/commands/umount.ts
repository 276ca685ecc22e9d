/** `g8ufs umount`: takes mounts away, also those whose daemon died. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';

export function command(context: Context): Command {
  const umount = new Command('umount')
    .description('take a mount away')
    .argument('<dir...>', 'mount points')
    .option('-l, --lazy', 'detach now, also when files are open; ends when the last is closed')
    .action((dirs: string[], flags: { lazy?: boolean }) => run(context, dirs, flags.lazy === true));
  return addHelpSections(umount, {
    examples: [
      ['umount /mnt', 'refuses when files are open'],
      ['umount --lazy /mnt', 'detaches at once'],
    ],
    failures: ['ERR_NO_INPUT', 'ERR_MOUNT', 'ERR_PERMISSION'],
  });
}

async function run(context: Context, dirs: readonly string[], lazy: boolean): Promise<void> {
  const { withDaemons } = await import('../daemons.ts');
  const { G8Error } = await import('../../base/errors.ts');
  const { findMount } = await import('../../fs/mountinfo.ts');
  const { overlayCache } = await import('../../fs/kernel/overlay.ts');
  const { hiddenLower, unmount } = await import('../../fs/unmount.ts');
  const { realpath } = await import('node:fs/promises');
  for (const dir of dirs) {
    const path = resolve(dir);
    const mountPoint = await realpath(path).catch(() => path);
    const found = await withDaemons(context, async (daemon) => {
      const mounts = await daemon.client.request<{ mountPoint: string }[]>('list', {});
      if (!mounts.some((mount) => mount.mountPoint === mountPoint)) return false;
      await daemon.client.request('unmount', { mountPoint, lazy });
      return true;
    });
    if (found) continue;
    // No daemon has it: what one that died has left.
    const left = findMount(mountPoint);
    const isOverlay = left !== undefined && overlayCache(left) !== undefined;
    const lower = left && hiddenLower(left);
    if (left?.type !== 'fuse.g8ufs' && !isOverlay && lower === undefined) {
      throw new G8Error('ERR_NO_INPUT', `${mountPoint} is not mounted by g8ufs`);
    }
    // An overlay of the kernel tier may be in use without its daemon; a dead FUSE mount is not.
    await unmount(mountPoint, lazy || !isOverlay);
    if (lower !== undefined) await unmount(lower, true);
  }
  if (context.json) {
    const { printJson } = await import('../ui/json.ts');
    await printJson(context, { unmounted: dirs.map((dir) => resolve(dir)) });
  }
}
