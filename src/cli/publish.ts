/** Uploads a flist to a hub, with progress: what `flist push` and `flist create --publish` do. */
import { G8Error } from '../base/errors.ts';
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

/** Brings the start profile along that lies beside a flist. @returns whether there is one */
async function uploadProfile(
  context: Context,
  client: import('../store/hub-client.ts').HubClient,
  source: string,
  target: PublishTarget,
): Promise<boolean> {
  const { profilePlace, readProfile } = await import('../image/profile-files.ts');
  const { formatProfile } = await import('../format/profile.ts');
  const profile = await readProfile(profilePlace(source), context.signal);
  if (profile === undefined) return false;
  await client.uploadProfile(target, formatProfile(profile), { signal: context.signal });
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
    const profiled = await uploadProfile(context, client, source, target);
    return { ...receipt, signed, profiled, url: `${client.name}/${path}` };
  } finally {
    view.stop();
    await client.close();
  }
}

/**
 * Splits `http://HUB/REPOSITORY/NAME`; the hub's own base path may have several parts.
 *
 * @throws ERR_USAGE when it is no such URL
 */
export function parsePushUrl(url: string): { hub: string; repository: string; name: string } {
  const wrong = new G8Error(
    'ERR_USAGE',
    'The target is not of the form http://HUB/REPOSITORY/NAME',
  );
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw wrong;
  const parsed = new URL(url);
  const parts = parsed.pathname.split('/').filter((part) => part !== '');
  const [repository, name] = parts.splice(-2).map(decode);
  if (repository === undefined || name === undefined) throw wrong;
  parsed.pathname = `/${parts.join('/')}`;
  return { hub: parsed.href, repository, name: name.replace(/\.flist$/, '') };

  function decode(part: string): string {
    try {
      return decodeURIComponent(part);
    } catch {
      throw wrong;
    }
  }
}
