/**
 * Keys and signatures as files. Secret keys are made for their owner alone, refused when others could have
 * read them, and never shown.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { G8Error, toG8Error } from '../base/errors.ts';
import {
  formatPublicKey,
  keyIdOf,
  type PublicKey,
  parsePublicKey,
  parseSignatures,
  publicKeyOf,
  SIGNATURE_FILE_SIZE_MAX,
  type Signature,
} from '../format/signature.ts';
import { readBesideFile, readSmallFile } from './beside.ts';

/** Of any key file. */
const KEY_FILE_SIZE_MAX = 16 * 1024;
const OTHERS = 0o077;

export const SIGNATURE_SUFFIX = '.sig';

export interface KeyFiles {
  readonly secret: string;
  readonly public: string;
  readonly keyId: string;
}

/**
 * Makes a pair of keys as `<name>.key` and `<name>.pub`.
 *
 * @throws ERR_CREATE when one of the files is there already or cannot be written; none is left then
 */
export async function makeKeys(name: string): Promise<KeyFiles> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKeyOf(publicKey);
  const files = { secret: `${name}.key`, public: `${name}.pub`, keyId: keyIdOf(raw) };
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  await createFile(files.secret, pem, 0o600);
  try {
    await createFile(files.public, formatPublicKey(raw), 0o644);
  } catch (error) {
    await rm(files.secret, { force: true });
    throw error;
  }
  return files;
}

async function createFile(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message =
      code === 'EEXIST'
        ? `${path} is there already`
        : toG8Error(error, 'ERR_CREATE', `${path} cannot be written`).message;
    throw new G8Error('ERR_CREATE', message, { cause: error });
  }
}

/** @throws ERR_PERMISSION when others may read it; ERR_CONFIG when it is no Ed25519 key; ERR_NO_INPUT */
export async function readSecretKey(path: string): Promise<KeyObject> {
  const text = await readSmallFile(path, KEY_FILE_SIZE_MAX, (mode) => {
    if ((mode & OTHERS) === 0) return;
    throw new G8Error('ERR_PERMISSION', `Others may read the secret key ${path}; chmod 600 it`);
  });
  return asEd25519(path, () => createPrivateKey(text));
}

/** Reads a public key: our one line, or PEM. @throws ERR_CONFIG when it is none, ERR_NO_INPUT */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const text = await readSmallFile(path, KEY_FILE_SIZE_MAX);
  if (text.includes('PRIVATE KEY')) {
    throw new G8Error('ERR_CONFIG', `${path} is a secret key; the public one is wanted here`);
  }
  return parsePublicKey(text) ?? publicKeyOf(asEd25519(path, () => createPublicKey(text)));
}

function asEd25519(path: string, parse: () => KeyObject): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = parse();
  } catch {
    // Said below. What the parser says could quote the key.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new G8Error('ERR_CONFIG', `${path} is no Ed25519 key`);
}

/**
 * Signatures that lie beside a flist.
 *
 * @param source path or http(s) URL of the signature file
 * @returns `undefined` when there is no such file
 * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION, ERR_IO, ERR_STORE_UNAVAILABLE and its kin
 */
export async function readSignatures(
  source: string,
  signal?: AbortSignal,
): Promise<Signature[] | undefined> {
  const options = { sizeMax: SIGNATURE_FILE_SIZE_MAX, what: 'Signature file', signal };
  const text = await readBesideFile(source, options);
  return text === undefined ? undefined : parseSignatures(text);
}
