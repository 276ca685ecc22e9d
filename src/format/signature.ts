/**
 * Detached signatures of images (docs/format.md, section 11): what is signed, the text they are kept in,
 * and checking them against keys. Ed25519. Holds no keys and does no I/O.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { blake2b } from '../base/blake2b.ts';
import { equalBytes, fromHex, toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import { formatMetadata, type Metadata } from './flist/metadata.ts';

/** What an image is to whoever runs it: its tree, and the settings that go with it. */
export interface ImageIdentity {
  /** 32 bytes (docs/format.md, section 7). */
  readonly rootDigest: Uint8Array;
  readonly metadata: Metadata;
}

export interface Signature {
  /** {@link keyIdOf} the public key, in hex. */
  readonly keyId: string;
  readonly rootDigest: Uint8Array;
  readonly metadataDigest: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** A public key, its raw 32 bytes. */
export type PublicKey = Uint8Array;

/** Text of a signature file; more signatures than anybody has keys. */
export const SIGNATURE_FILE_SIZE_MAX = 64 * 1024;
const SIGNATURE_COUNT_MAX = 64;

const TITLE = 'g8ufs signature 1';
const STATEMENT = Buffer.from(`${TITLE}\0`);
const METADATA = Buffer.from('g8ufs metadata 1\0');
const KEY_ID_SIZE = 8;
const PUBLIC_KEY_SIZE = 32;
/** SubjectPublicKeyInfo of Ed25519 up to the key itself (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** The first 8 bytes of a digest over the raw key, in hex. A name, not a proof. */
export function keyIdOf(key: PublicKey): string {
  return toHex(blake2b(key, 32).subarray(0, KEY_ID_SIZE));
}

/** Signs an image. */
export function signImage(identity: ImageIdentity, secret: KeyObject): Signature {
  const rootDigest = identity.rootDigest;
  const metadataDigest = metadataDigestOf(identity.metadata);
  const signature = sign(null, statementOf({ rootDigest, metadataDigest }), secret);
  const keyId = keyIdOf(publicKeyOf(secret));
  return { keyId, rootDigest, metadataDigest, signature: new Uint8Array(signature) };
}

/** Raw bytes of the public half of a key. */
export function publicKeyOf(key: KeyObject): PublicKey {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  const spki = half.export({ type: 'spki', format: 'der' });
  return new Uint8Array(spki.subarray(SPKI_HEAD.length));
}

/**
 * Checks that one of the keys has signed the image.
 *
 * @returns id of that key
 * @throws ERR_PERMISSION saying what is wrong with the signatures
 */
export function requireSignature(
  identity: ImageIdentity,
  signatures: readonly Signature[],
  keys: readonly PublicKey[],
): string {
  const metadataDigest = metadataDigestOf(identity.metadata);
  let reason = 'is signed by none of the wanted keys';
  for (const key of keys) {
    const keyId = keyIdOf(key);
    for (const signature of signatures) {
      if (signature.keyId !== keyId) continue;
      if (!equalBytes(signature.rootDigest, identity.rootDigest)) {
        reason = `is not the image that key ${keyId} has signed`;
      } else if (!equalBytes(signature.metadataDigest, metadataDigest)) {
        reason = `has other metadata than key ${keyId} has signed`;
      } else if (isSignedBy(signature, key)) {
        return keyId;
      } else {
        reason = `has a wrong signature for key ${keyId}`;
      }
    }
  }
  throw new G8Error('ERR_PERMISSION', `The image ${reason}`);
}

function isSignedBy(signature: Signature, key: PublicKey): boolean {
  const spki = Buffer.concat([SPKI_HEAD, key]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return verify(null, statementOf(signature), publicKey, signature.signature);
}

/** The bytes that are signed: nothing else that a key signs begins so. */
function statementOf(parts: Pick<Signature, 'rootDigest' | 'metadataDigest'>): Uint8Array {
  return Buffer.concat([STATEMENT, parts.rootDigest, parts.metadataDigest]);
}

/** Of the canonical text: absent metadata and empty metadata are the same. */
function metadataDigestOf(metadata: Metadata): Uint8Array {
  return blake2b(Buffer.concat([METADATA, Buffer.from(formatMetadata(metadata))]), 32);
}

/** Text of a signature file. */
export function formatSignatures(signatures: readonly Signature[]): string {
  const blocks = signatures.map(({ keyId, rootDigest, metadataDigest, signature }) =>
    [
      TITLE,
      `key ${keyId}`,
      `root ${toHex(rootDigest)}`,
      `metadata ${toHex(metadataDigest)}`,
      `ed25519 ${Buffer.from(signature).toString('base64')}`,
      '',
    ].join('\n'),
  );
  return blocks.join('\n');
}

const BLOCK =
  /^g8ufs signature 1\nkey ([0-9a-f]{16})\nroot ([0-9a-f]{64})\nmetadata ([0-9a-f]{64})\ned25519 ([A-Za-z0-9+/]{86}==)$/;

/**
 * Reads a signature file.
 *
 * @throws ERR_FLIST_FORMAT when it is none; ERR_FLIST_VERSION when it is one of a later version
 */
export function parseSignatures(text: string): Signature[] {
  const blocks = text.length > SIGNATURE_FILE_SIZE_MAX ? [] : text.trimEnd().split('\n\n');
  if (blocks.length === 0 || blocks.length > SIGNATURE_COUNT_MAX) {
    throw new G8Error('ERR_FLIST_FORMAT', 'The signature file is empty or too large');
  }
  return blocks.map((block) => {
    const [, keyId, root, metadata, signature] = BLOCK.exec(block) ?? [];
    if (keyId === undefined || signature === undefined) {
      const isLater = /^g8ufs signature \d+\n/.test(block) && !block.startsWith(`${TITLE}\n`);
      const code = isLater ? 'ERR_FLIST_VERSION' : 'ERR_FLIST_FORMAT';
      throw new G8Error(
        code,
        `The signature file ${isLater ? 'is of a later version' : 'is none'}`,
      );
    }
    return {
      keyId,
      rootDigest: fromHex(root as string) as Uint8Array,
      metadataDigest: fromHex(metadata as string) as Uint8Array,
      signature: new Uint8Array(Buffer.from(signature, 'base64')),
    };
  });
}

/** One line that is a public key. */
export function formatPublicKey(key: PublicKey): string {
  return `g8ufs-public ${Buffer.from(key).toString('base64')}\n`;
}

/** A public key from its line; `undefined` when it is none. */
export function parsePublicKey(text: string): PublicKey | undefined {
  const match = /^g8ufs-public ([A-Za-z0-9+/]{43}=)\s*$/.exec(text);
  const key =
    match === null ? undefined : new Uint8Array(Buffer.from(match[1] as string, 'base64'));
  return key?.length === PUBLIC_KEY_SIZE ? key : undefined;
}
