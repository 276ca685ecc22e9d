/** Where something is published, and the last step that all kinds of publishing share. */
import { fileStream } from '../../image/file-stream.ts';
import type { Actor } from '../access/audit.ts';
import { audited } from '../access/audited.ts';
import { tooLarge } from '../body.ts';
import { putFlist } from '../catalogue/entries.ts';
import { grantPackage } from '../grant.ts';
import { keepChunk } from '../keep-chunk.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';

export interface PublishTarget {
  readonly repository: string;
  /** `<name>.flist` */
  readonly file: string;
  readonly actor: Actor;
}

/** Keeps a flist file and shows it under its name, in place of a flist or link that had it. */
export async function publishFile(
  context: HubContext,
  target: PublishTarget,
  path: string,
): Promise<void> {
  const sizeMax = context.limits.flistSizeMax;
  const source = fileStream(path, { highWaterMark: 1024 * 1024 });
  try {
    const { digest } = await context.packages.save(source as AsyncIterable<Uint8Array>, {
      sizeMax,
      tooLarge: () => tooLarge(sizeMax),
      keep: (id, bytes) => keepChunk(context, target.actor.identity, id, bytes),
    });
    await grantPackage(context, target.actor.identity, digest, target.repository);
    // Saved a moment ago: only a collection without a grace period can have taken it.
    const { repository, file, actor } = target;
    const uploader = actor.identity.user;
    const catalogue = audited(context.catalogue, actor, 'flist.publish', `${repository}/${file}`);
    if ((await putFlist(catalogue, { repository, file, uploader, digest })) === undefined) {
      throw new Problem(503, 'The upload is gone, send it again');
    }
  } finally {
    source.destroy();
  }
}
