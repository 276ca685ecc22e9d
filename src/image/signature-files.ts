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
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
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

/** Of any key file. */
const KEY_FILE_SIZE_MAX = 16 * 1024;
const OTHERS = 0o077;
const TIMEOUT_MS = 30_000;

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
      code === 'EEXIST' ? `${path} is there already` : `${path} cannot be written: ${String(code)}`;
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
  const text = /^https?:\/\//i.test(source)
    ? await fetchText(source, signal)
    : await readSmallFile(source, SIGNATURE_FILE_SIZE_MAX).catch((error: unknown) => {
        if (isG8Error(error, 'ERR_NO_INPUT')) return undefined;
        throw error;
      });
  return text === undefined ? undefined : parseSignatures(text);
}

async function fetchText(url: string, signal?: AbortSignal): Promise<string | undefined> {
  const { HttpClient, readBody } = await import('../store/http-client.ts');
  const client = new HttpClient(url);
  const absent = (): G8Error => new G8Error('ERR_NO_INPUT', `${client.name} does not exist`);
  try {
    return await client.request(
      { method: 'GET', path: '', signal, timeoutMs: TIMEOUT_MS, absent },
      async (response) => {
        const bytes = await readBody(response, SIGNATURE_FILE_SIZE_MAX, 'Signature file');
        return Buffer.from(bytes).toString('latin1');
      },
    );
  } catch (error) {
    if (isG8Error(error, 'ERR_NO_INPUT')) return undefined;
    throw error;
  } finally {
    await client.close();
  }
}

async function readSmallFile(
  path: string,
  sizeMax: number,
  checkMode: (mode: number) => void = () => {},
): Promise<string> {
  let file: FileHandle | undefined;
  try {
    // O_NONBLOCK: a FIFO must not make anybody wait.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat();
    if (!info.isFile()) throw new G8Error('ERR_NO_INPUT', `${path} is not a plain file`);
    checkMode(info.mode);
    if (info.size > sizeMax) throw new G8Error('ERR_FLIST_FORMAT', `${path} is too large`);
    return await file.readFile('latin1');
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `${path} cannot be read`);
  } finally {
    await file?.close();
  }
}
