/**
 * Whether the image that a mount is about to serve is signed: the digests are taken from the very files that
 * the driver maps, whatever anybody else has looked at before.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex } from '../base/bytes.ts';
import { toG8Error } from '../base/errors.ts';
import { parseMetadata } from '../format/flist/metadata.ts';
import { METADATA_FILE } from '../image/index-files.ts';
import { rootDigestOf } from '../image/open.ts';
import { requireImageSignature } from '../image/require-signature.ts';
import { addon } from '../native/load.ts';
import type { Image } from './images.ts';

/**
 * @param source path or URL of the flist; its signature lies beside it
 * @param keys raw public keys in Base64
 * @throws ERR_PERMISSION when none of the keys has signed it; ERR_STORE_UNAVAILABLE and its kin
 */
export async function requireSignedImage(
  image: Pick<Image, 'dir'>,
  source: string,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const rootDigest = fromHex(await rootDigestOf(image.dir, addon())) as Uint8Array;
  const metadata = parseMetadata(await metadataText(image.dir));
  await requireImageSignature(
    { rootDigest, metadata },
    { source, keys: keys.map((key) => new Uint8Array(Buffer.from(key, 'base64'))), signal },
  );
}

async function metadataText(dir: string): Promise<string> {
  try {
    return await readFile(join(dir, METADATA_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
    throw toG8Error(error, 'ERR_IO', `Metadata in ${dir} cannot be read`);
  }
}
