/** Finds the signatures of an image and checks them: what `flist verify --key` and mounts have in common. */
import { G8Error, isG8Error } from '../base/errors.ts';
import {
  type ImageIdentity,
  type PublicKey,
  parseSignatures,
  requireSignature,
  type Signature,
} from '../format/signature.ts';
import { shownSource } from '../store/http-url.ts';
import { placeBeside } from './beside.ts';
import { readSignatures, SIGNATURE_SUFFIX } from './signature-files.ts';

export interface RequireSignatureOptions {
  /** Path or http(s) URL of the flist. */
  readonly source: string;
  /** Where the signatures are, when not beside the flist. */
  readonly place?: string | undefined;
  /** One of these has to have signed. */
  readonly keys: readonly PublicKey[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns id of the key that has signed, and all signatures that were found
 * @throws ERR_PERMISSION when there is no signature, or none that holds; ERR_STORE_UNAVAILABLE and its kin
 *   when the signature cannot be fetched
 */
export async function requireImageSignature(
  identity: ImageIdentity,
  options: RequireSignatureOptions,
): Promise<{ readonly keyId: string; readonly signatures: readonly Signature[] }> {
  const { source, keys, signal, place } = options;
  let signatures: readonly Signature[] | undefined;
  try {
    signatures =
      place === undefined
        ? await signaturesOf(source, signal)
        : await readSignatures(place, signal);
  } catch (error) {
    if (!isG8Error(error, 'ERR_FLIST_FORMAT') && !isG8Error(error, 'ERR_FLIST_VERSION'))
      throw error;
    throw refused(source, error.message, error);
  }
  if (signatures === undefined) throw refused(source, 'it is not signed');
  try {
    return { keyId: requireSignature(identity, signatures, keys), signatures };
  } catch (error) {
    throw isG8Error(error, 'ERR_PERMISSION') ? refused(source, error.message, error) : error;
  }
}

/** Signatures of an image: of a bundle those in it, else those beside it; `undefined` without any. */
export async function signaturesOf(
  source: string,
  signal?: AbortSignal,
): Promise<readonly Signature[] | undefined> {
  const { bundleSignature, withBundle } = await import('./bundle.ts');
  const text = await withBundle(source, bundleSignature);
  return text === undefined
    ? await readSignatures(signaturePlace(source), signal)
    : parseSignatures(text);
}

/** Where the signature of a flist is looked for. */
export function signaturePlace(source: string): string {
  return placeBeside(source, SIGNATURE_SUFFIX);
}

function refused(source: string, reason: string, cause?: unknown): G8Error {
  return new G8Error('ERR_PERMISSION', `${shownSource(source)} is refused: ${lowerFirst(reason)}`, {
    cause,
  });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
