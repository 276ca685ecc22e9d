/**
 * Whether an image may be mounted: signed as whoever mounts it asks for, and as the administrator's policy says. Both
 * look at the very files that the driver maps.
 */
import { lstatSync } from 'node:fs';
import type { Image } from './images.ts';
import type { MountRequest } from './mount-record.ts';

export interface Policy {
  readonly path: string;
  /** It was named, and is not only looked for. */
  readonly mustExist: boolean;
}

/** @throws ERR_PERMISSION when it may not; ERR_CONFIG for a policy that makes no sense; ERR_STORE_UNAVAILABLE and its kin */
export async function admitImage(
  { source, mountPoint, requireSignature }: MountRequest,
  image: Image,
  policy: Policy | undefined,
  signal: AbortSignal,
): Promise<void> {
  const demands: (readonly string[])[] = requireSignature === undefined ? [] : [requireSignature];
  if (policy !== undefined && applies(policy)) {
    const { keysByPolicy } = await import('./policy.ts');
    const keys = await keysByPolicy(policy.path, { source, mountPoint }, policy.mustExist);
    if (keys !== undefined) demands.push(keys);
  }
  if (demands.length === 0) return;
  // Its code takes time to load, which other mounts need not wait for.
  const { requireSignedImage } = await import('./signed-image.ts');
  for (const keys of demands) await requireSignedImage(image, source, keys, signal);
}

/** Most machines have no policy, and their mounts need not wait for the code that reads one. */
function applies({ path, mustExist }: Policy): boolean {
  try {
    return mustExist || lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // Whoever reads it says what is wrong with it.
    return true;
  }
}
