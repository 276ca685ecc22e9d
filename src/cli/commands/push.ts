/** `g8ufs push`: publishes a flist on a hub. */
import { Command } from 'commander';
import { plural } from '../../base/plural.ts';
import type { CarriedChunks } from '../carry-chunks.ts';
import type { Context } from '../context.ts';
import { addHelpSections } from '../help.ts';
import type { HubFlist } from '../hub-access.ts';
import { addStoreFlag, type StoreFlags } from '../store-access.ts';

export function command(context: Context): Command {
  const push = new Command('push')
    .description('publish a flist on a hub, with its signature and start profile')
    .argument('<flist>', 'flist file or bundle')
    .argument('<url>', 'where: http://HUB/REPOSITORY/NAME, or REPOSITORY/NAME at G8UFS_HUB');
  addStoreFlag(push).action((flist: string, url: string, flags: StoreFlags) =>
    run(context, flist, url, flags),
  );
  return addHelpSections(push, {
    notes: [
      'Chunks that the hub lacks are brought there from the stores given by --store, and of a bundle from itself; without either they must be in a store already. What was cut goes on where it was when it is pushed again: chunks and pieces of a large flist that are there are not sent again.',
    ],
    examples: [
      ['push debian.flist https://hub.example/demo/debian', 'as debian.flist of demo'],
      ['push debian.flist demo/debian --store dir:///srv/chunks', 'with its chunks'],
      ['push debian.bundle demo/debian', 'a bundle'],
    ],
    settings: ['hub'],
    failures: [
      'ERR_FLIST_FORMAT',
      'ERR_NO_INPUT',
      'ERR_HOST_UNKNOWN',
      'ERR_STORE_UNAVAILABLE',
      'ERR_TIMEOUT',
      'ERR_PROTOCOL',
      'ERR_PERMISSION',
      'ERR_CONFIG',
    ],
  });
}

async function run(
  context: Context,
  flist: string,
  url: string,
  { store }: StoreFlags,
): Promise<void> {
  const { hubFlist } = await import('../hub-access.ts');
  const { withPackage } = await import('../package-access.ts');
  const { publishFlist } = await import('../publish.ts');
  const target = await hubFlist(context, url);
  await withPackage(context, flist, async (path, isBundle) => {
    const isCarried = isBundle || store.length > 0;
    const carried = isCarried ? await carry(context, flist, store, target) : undefined;
    const receipt = await publishFlist(context, { source: flist, path }, target);
    const missingChunks = isCarried ? 0 : await countMissing(context, flist, target);
    if (context.json) {
      const { printJson } = await import('../ui/json.ts');
      await printJson(context, { ...receipt, ...carried, missingChunks });
    } else if (!context.quiet) {
      const chunks = carried && `: ${carried.newChunks} of ${plural(carried.chunks, 'chunk')} new`;
      context.stdout.write(`${receipt.url}${chunks ?? ''}\n`);
    }
    if (missingChunks === 0) return;
    const lack = `The hub lacks ${plural(missingChunks, 'chunk')} of ${flist}, which names no store`;
    context.stderr.write(`g8ufs: ${lack}: push it again with --store\n`);
  });
}

/** Chunks that nobody who mounts from this hub would find. Those of other stores that a flist names are not asked for. */
async function countMissing(context: Context, flist: string, target: HubFlist): Promise<number> {
  const { withImage } = await import('../image-access.ts');
  const { chunkIdsOf } = await import('../../image/verify/chunk-ids.ts');
  const { imageTree } = await import('../../image/tree.ts');
  const { withHub } = await import('../hub-access.ts');
  return await withImage(context, flist, async (image) => {
    if (image.router !== undefined) return 0;
    const ids = [...chunkIdsOf(imageTree(image))];
    return await withHub(context, target.hub, async ({ chunks }) => {
      const { signal } = context;
      return (await chunks.missing(ids, { signal })).length;
    });
  });
}

async function carry(
  context: Context,
  flist: string,
  stores: readonly string[],
  target: HubFlist,
): Promise<CarriedChunks> {
  const { withImage } = await import('../image-access.ts');
  const { openImageStores } = await import('../store-access.ts');
  const { carryChunks } = await import('../carry-chunks.ts');
  const { withHub } = await import('../hub-access.ts');
  return await withImage(context, flist, async (image) => {
    const from = await openImageStores([image], stores);
    try {
      return await withHub(context, target.hub, (client) =>
        carryChunks(context, image, from, client.chunks, 'Bringing chunks'),
      );
    } finally {
      await from.close();
    }
  });
}
