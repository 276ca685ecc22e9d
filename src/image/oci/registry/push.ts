/**
 * Brings an image of a layout into a registry: blobs it lacks, then the manifest, so that a tag never leads
 * to what is not there. A blob that fails in passing is sent again from its beginning.
 *
 * @see OCI distribution specification, pushing
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { G8Error } from '../../../base/errors.ts';
import { shortDigest } from '../../../format/oci/digest.ts';
import { MEDIA_TYPE } from '../../../format/oci/media-type.ts';
import type { ExportedImage } from '../export.ts';
import { blobPath } from '../layout.ts';
import type { RegistryClient } from './registry-client.ts';

/** As for downloads: idle deadlines watch over progress. */
const BLOB_TIMEOUT_MS = 3_600_000;
const READ_SIZE = 256 * 1024;

/** @throws ERR_PERMISSION, ERR_PROTOCOL, what the client throws */
export async function pushImage(
  client: RegistryClient,
  layout: string,
  image: ExportedImage,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { digest, layerDigest, layerSize, configDigest, configSize } = image;
  await pushBlob(client, layout, { digest: layerDigest, size: layerSize }, signal);
  await pushBlob(client, layout, { digest: configDigest, size: configSize }, signal);
  const body = await readFile(join(layout, blobPath(digest)));
  const headers = { 'content-type': MEDIA_TYPE.manifest };
  const what = `Manifest ${tag}`;
  const path = `/manifests/${tag}`;
  await client.request({ method: 'PUT', path, headers, body, what, signal }, () => {});
}

async function pushBlob(
  client: RegistryClient,
  layout: string,
  { digest, size }: { readonly digest: string; readonly size: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const what = `Blob ${shortDigest(digest)}`;
  const path = `/blobs/${digest}`;
  const isThere = await client.request(
    { method: 'HEAD', path, what, signal, accept: [404] },
    ({ status }) => status !== 404,
  );
  if (isThere) return;
  // An upload that was cut off is of no use any more: each attempt begins one.
  await client.attempts(what, signal, async (inner) => {
    const location = await client.requestOnce(
      { method: 'POST', path: '/blobs/uploads/', what, signal: inner },
      (response) => response.header('location'),
    );
    const url = await client.locate(location, inner);
    url.searchParams.set('digest', digest);
    const body = createReadStream(join(layout, blobPath(digest)), { highWaterMark: READ_SIZE });
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
    };
    try {
      await client.requestOnce(
        {
          method: 'PUT',
          path: url,
          headers,
          body: () => body,
          what,
          signal: inner,
          timeoutMs: BLOB_TIMEOUT_MS,
        },
        ({ status }) => {
          if (status === 201) return;
          throw new G8Error('ERR_PROTOCOL', `${what} was taken with status ${status}, not 201`);
        },
      );
    } finally {
      body.destroy();
    }
  });
}
