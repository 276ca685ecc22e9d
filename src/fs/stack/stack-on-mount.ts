/** What a mount shows when its source is put on the image of another mount. */
import { G8Error } from '../../base/errors.ts';
import { shownSource } from '../../store/http-url.ts';
import { admitImage, type Policy } from '../admission.ts';
import type { Image, ImageStore } from '../images.ts';
import type { MountRequest, ServedMount } from '../mount-record.ts';
import { stackImages } from './stack-images.ts';

export interface StackOrder {
  /** With `onto`. */
  readonly request: MountRequest;
  /** Image of its source, admitted. */
  readonly layer: Image;
  /** The mount that is meant by `onto`. */
  readonly base: Pick<ServedMount, 'request' | 'image'>;
}

/** The request as the mount is kept with it, and the image that it serves. */
export interface StackedMount {
  readonly request: MountRequest;
  readonly image: Image;
}

/**
 * The base is the very image that is mounted, whatever its source has become.
 *
 * @throws ERR_USAGE when the base was put on another itself; ERR_PERMISSION when it may not be at the new mount point; what
 *   {@link stackImages} and opening a flist throw
 */
export async function stackOnMount(
  { request, layer, base }: StackOrder,
  options: { readonly images: ImageStore; readonly policy?: Policy | undefined },
  signal: AbortSignal,
): Promise<StackedMount> {
  const { onto, source } = request;
  if (onto === undefined) throw new TypeError('Put on nothing');
  if (base.request.onto !== undefined) {
    throw new G8Error('ERR_USAGE', `The image at ${onto.mountPoint} was put on another itself`);
  }
  const from = base.request.source;
  // It will be seen at another place, where another rule may hold.
  await admitImage({ ...request, source: from }, base.image, options.policy, signal);
  const work = {
    base: { dir: base.image.dir, router: base.image.router, source: shownSource(from) },
    layer: { dir: layer.dir, router: layer.router, source: shownSource(source) },
    output: onto.flist,
  };
  await stackImages(work, signal);
  const image = await options.images.open(onto.flist, signal);
  return { request: { ...request, onto: { ...onto, source: from } }, image };
}
