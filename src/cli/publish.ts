/** Uploads a flist to a hub, with progress: what `flist push` and `flist create --publish` do. */
import type { Context } from './context.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

export interface PublishTarget {
  /** Base URL of the hub. */
  readonly hub: string;
  readonly repository: string;
  readonly name: string;
}

/** Brings the signature along that lies beside a flist. @returns whether there is one */
async function uploadSignature(
  context: Context,
  client: import('../store/hub-client.ts').HubClient,
  source: string,
  target: PublishTarget,
): Promise<boolean> {
  const { readSignatures } = await import('../image/signature-files.ts');
  const { signaturePlace } = await import('../image/require-signature.ts');
  const { formatSignatures } = await import('../format/signature.ts');
  const signatures = await readSignatures(signaturePlace(source), context.signal);
  if (signatures === undefined) return false;
  const { signal } = context;
  await client.uploadSignature(target, formatSignatures(signatures), { signal });
  return true;
}

/** What the hub has answered, and where the flist is now. */
export type PublishReceipt = Awaited<ReturnType<typeof publishFlist>>;

/** @throws ERR_FLIST_FORMAT when the hub finds no flist in the file; network errors; ERR_PERMISSION */
export async function publishFlist(context: Context, source: string, target: PublishTarget) {
  const { HubClient } = await import('../store/hub-client.ts');
  const client = new HubClient(target.hub);
  const { repository, name } = target;
  const counter: ProgressCounter = { label: 'Uploading', done: 0, total: 0, unit: 'bytes' };
  const view = await showProgress(context, counter);
  try {
    const receipt = await client.uploadFlist(
      { repository, name, source },
      {
        signal: context.signal,
        onProgress: (done, total) => {
          counter.done = done;
          counter.total = total ?? 0;
        },
      },
    );
    const signed = await uploadSignature(context, client, source, target);
    const path = [repository, `${name}.flist`].map(encodeURIComponent).join('/');
    return { ...receipt, signed, url: `${client.name}/${path}` };
  } finally {
    view.stop();
    await client.close();
  }
}
