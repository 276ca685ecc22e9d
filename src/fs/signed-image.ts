/**
 * Whether the image that a mount is about to serve is signed: the digests are taken from the very files that
 * the driver maps, whatever anybody else has looked at before. Signatures that a hub has sent are kept beside
 * those files, and checked as strictly as new ones, so that neither a round trip nor the hub itself is needed
 * the next time.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex } from '../base/bytes.ts';
import { isG8Error, toG8Error } from '../base/errors.ts';
import { parseMetadata } from '../format/flist/metadata.ts';
import {
  formatSignatures,
  type ImageIdentity,
  type PublicKey,
  parseSignatures,
  requireSignature,
} from '../format/signature.ts';
import { METADATA_FILE, SIGNATURE_FILE } from '../image/index-files.ts';
import { rootDigestOf } from '../image/open.ts';
import { writeWholeFile } from '../image/output.ts';
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
  const identity = { rootDigest, metadata };
  const wanted = keys.map((key) => new Uint8Array(Buffer.from(key, 'base64')));
  const isRemote = /^https?:/i.test(source);
  if (isRemote && (await isKnownSigned(image.dir, identity, wanted))) return;
  const { signatures } = await requireImageSignature(identity, { source, keys: wanted, signal });
  if (isRemote) await keepSignatures(image.dir, formatSignatures(signatures));
}

/** Whether a signature that was kept suffices. If not, for whatever reason, the source has to be asked. */
async function isKnownSigned(
  dir: string,
  identity: ImageIdentity,
  keys: readonly PublicKey[],
): Promise<boolean> {
  try {
    const text = await readFile(join(dir, SIGNATURE_FILE), 'latin1');
    requireSignature(identity, parseSignatures(text), keys);
    return true;
  } catch (error) {
    const isNone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const isRefused = ['ERR_PERMISSION', 'ERR_FLIST_FORMAT', 'ERR_FLIST_VERSION'] as const;
    if (isNone || isRefused.some((code) => isG8Error(error, code))) return false;
    throw toG8Error(error, 'ERR_IO', `Signatures in ${dir} cannot be read`);
  }
}

async function keepSignatures(dir: string, text: string): Promise<void> {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text, 'latin1');
  }
  await writeWholeFile(join(dir, SIGNATURE_FILE), whole());
}

async function metadataText(dir: string): Promise<string> {
  try {
    return await readFile(join(dir, METADATA_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
    throw toG8Error(error, 'ERR_IO', `Metadata in ${dir} cannot be read`);
  }
}
