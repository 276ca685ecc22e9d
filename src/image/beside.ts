/**
 * Small texts that lie beside a flist under its name and a suffix: signatures, profiles. From disk or from
 * the server that has the flist; bounded, and hostile until somebody has parsed them.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';

const TIMEOUT_MS = 30_000;

export interface BesideOptions {
  readonly sizeMax: number;
  /** Subject of the message when it is too large. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** Path or URL of what lies beside a flist. */
export function placeBeside(source: string, suffix: string): string {
  if (!/^https?:\/\//i.test(source)) return `${source}${suffix}`;
  const url = new URL(source);
  url.pathname += suffix;
  return url.href;
}

/**
 * @param source path or http(s) URL
 * @returns its bytes as Latin-1 text; `undefined` when there is no such file
 * @throws ERR_FLIST_FORMAT when it is too large, ERR_IO, ERR_STORE_UNAVAILABLE and its kin
 */
export async function readBesideFile(
  source: string,
  options: BesideOptions,
): Promise<string | undefined> {
  try {
    return await (/^https?:\/\//i.test(source)
      ? fetchText(source, options)
      : readSmallFile(source, options.sizeMax));
  } catch (error) {
    if (isG8Error(error, 'ERR_NO_INPUT')) return undefined;
    throw error;
  }
}

async function fetchText(url: string, { sizeMax, what, signal }: BesideOptions): Promise<string> {
  const { HttpClient } = await import('../store/http-client.ts');
  const { readBody } = await import('../store/http-answer.ts');
  const { flistLogin } = await import('../store/logins.ts');
  const client = new HttpClient(url, { login: flistLogin(url) });
  const absent = (): G8Error => new G8Error('ERR_NO_INPUT', `${client.name} does not exist`);
  try {
    return await client.request(
      { method: 'GET', path: '', signal, timeoutMs: TIMEOUT_MS, absent },
      async (response) => {
        const bytes = await readBody(response, sizeMax, what);
        return Buffer.from(bytes).toString('latin1');
      },
    );
  } finally {
    await client.close();
  }
}

/**
 * @param checkMode throws when the file may not be used as it is
 * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT when it is too large, ERR_PERMISSION, ERR_IO
 */
export async function readSmallFile(
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
