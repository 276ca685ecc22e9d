/** Uploads a flist to a hub, with progress: what `push` and `flist create --publish` do. */
import type { Context } from './context.ts';
import { flistUrl, type HubFlist, withHub } from './hub-access.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

/** Brings the signature along that lies beside a flist. @returns whether there is one */
async function uploadSignature(
  context: Context,
  client: import('../store/hub-client.ts').HubClient,
  source: string,
  target: HubFlist,
): Promise<boolean> {
  const { signaturesOf } = await import('../image/require-signature.ts');
  const { formatSignatures } = await import('../format/signature.ts');
  const signatures = await signaturesOf(source, context.signal);
  if (signatures === undefined) return false;
  const { signal } = context;
  await client.uploadSignature(target, formatSignatures(signatures), { signal });
  return true;
}

/** Brings the start profile along that lies beside a flist. @returns whether there is one */
async function uploadProfile(
  context: Context,
  client: import('../store/hub-client.ts').HubClient,
  source: string,
  target: HubFlist,
): Promise<boolean> {
  const { profilePlace, readProfile } = await import('../image/profile-files.ts');
  const { formatProfile } = await import('../format/profile.ts');
  const profile = await readProfile(profilePlace(source), context.signal);
  if (profile === undefined) return false;
  await client.uploadProfile(target, formatProfile(profile), { signal: context.signal });
  return true;
}

export interface PublishSource {
  /** Flist or bundle as it was named: signature and profile are looked for beside it, or in it. */
  readonly source: string;
  /** The package, default `source`. */
  readonly path?: string;
}

/** What the hub has answered, and where the flist is now. */
export type PublishReceipt = Awaited<ReturnType<typeof publishFlist>>;

/** @throws ERR_FLIST_FORMAT when the hub finds no flist in the file; network errors; ERR_PERMISSION */
export async function publishFlist(
  context: Context,
  { source, path = source }: PublishSource,
  target: HubFlist,
) {
  const { repository, name } = target;
  const counter: ProgressCounter = { label: 'Uploading', done: 0, total: 0, unit: 'bytes' };
  const view = await showProgress(context, counter);
  try {
    return await withHub(context, target.hub, async (client) => {
      const receipt = await client.uploadFlist(
        { repository, name, source: path },
        {
          signal: context.signal,
          onProgress: (done, total) => {
            counter.done = done;
            counter.total = total ?? 0;
          },
        },
      );
      const signed = await uploadSignature(context, client, source, target);
      const profiled = await uploadProfile(context, client, source, target);
      return { ...receipt, signed, profiled, url: flistUrl(client.name, target) };
    });
  } finally {
    view.stop();
  }
}
