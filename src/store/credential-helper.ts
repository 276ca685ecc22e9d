/**
 * Runs a credential helper, `docker-credential-NAME get`, `store` or `erase`: what it is about on its stdin, JSON
 * on its stdout. The helper is a child with a deadline, and ends with the call, with all it has started.
 *
 * @see docker-credential-helpers, development protocol
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import { abortError, throwIfAborted } from '../base/abort.ts';
import { startDeadline } from '../base/deadline.ts';
import { G8Error, isG8Error } from '../base/errors.ts';

/** Some ask their user. */
export const HELPER_TIMEOUT_MS = 60_000;
const ANSWER_SIZE_MAX = 64 * 1024;
/** What helpers print when they know nothing of a server. */
const NOT_FOUND = /credentials not found|no credentials/i;
/** The user name that makes the secret a token. */
const TOKEN_USER = '<token>';

export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string };

const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

export interface HelperOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** Default {@link HELPER_TIMEOUT_MS}. */
  readonly timeoutMs?: number | undefined;
}

/**
 * @param name without `docker-credential-`
 * @returns `undefined` when the helper knows none
 * @throws ERR_CONFIG when it cannot be run or does not answer as it should, ERR_TIMEOUT
 */
export async function askHelper(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<Credentials | undefined> {
  const answer = await runHelper(name, 'get', `${server}\n`, options);
  if (answer === undefined) return undefined;
  const program = programOf(name);
  const parsed = answerSchema.safeParse(parseJson(answer));
  // What it said may be a secret: it is not repeated.
  if (!parsed.success) throw new G8Error('ERR_CONFIG', `${program} answers in an unknown form`);
  const { Username: username, Secret: secret } = parsed.data;
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret };
}

/** Hands a secret to a helper. @throws as {@link askHelper} */
export async function storeInHelper(
  name: string,
  entry: { readonly server: string; readonly username: string; readonly secret: string },
  options: HelperOptions,
): Promise<void> {
  const { server, username, secret } = entry;
  const text = JSON.stringify({ ServerURL: server, Username: username, Secret: secret });
  await runHelper(name, 'store', text, options);
}

/** Has a helper forget what it knows of a server, if anything. @throws as {@link askHelper} */
export async function eraseFromHelper(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<void> {
  await runHelper(name, 'erase', `${server}\n`, options);
}

/** @returns what it prints; `undefined` when it says that it knows nothing of the server */
async function runHelper(
  name: string,
  action: 'get' | 'store' | 'erase',
  input: string,
  { env, signal, timeoutMs = HELPER_TIMEOUT_MS }: HelperOptions,
): Promise<string | undefined> {
  const program = programOf(name);
  const deadline = startDeadline({ timeoutMs, signal, what: program });
  return await run(program, action, input, env, deadline.signal).finally(deadline.clear);
}

/** @throws ERR_CONFIG */
function programOf(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return `docker-credential-${name}`;
  throw new G8Error('ERR_CONFIG', 'Name of a credential helper is not plain letters and digits');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function run(
  program: string,
  action: string,
  input: string,
  env: HelperOptions['env'],
  signal: AbortSignal,
): Promise<string | undefined> {
  // A process group of its own, so that what it starts can be ended with it.
  const child = spawn(program, [action], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...env },
    detached: true,
  });
  const stop = (): void => {
    endGroup(child);
    // Somebody who has left the group may still hold the other end.
    child.stdout.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    throwIfAborted(signal);
    child.stdin.on('error', () => {}); // It need not read what it is told.
    child.stdin.end(input);
    const exit = once(child, 'exit') as Promise<[code: number | null]>;
    const [text, [code]] = await Promise.all([collect(child, program), exit]);
    if (signal.aborted) throw abortError(signal);
    if (code === 0) return text;
    if (NOT_FOUND.test(text)) return undefined;
    throw new G8Error('ERR_CONFIG', `${program} ended with status ${code ?? 'none'}`);
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    if (isG8Error(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new G8Error('ERR_CONFIG', `${program} cannot be run: ${code ?? 'unknown reason'}`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', stop);
    endGroup(child);
  }
}

async function collect(child: ChildProcess, program: string): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > ANSWER_SIZE_MAX) {
        endGroup(child);
        throw new G8Error('ERR_CONFIG', `${program} answers with too much`);
      }
      pieces.push(piece);
    }
  } catch (error) {
    if (isG8Error(error)) throw error;
    // Its output ends with it; how it ended is what counts.
  }
  return Buffer.concat(pieces).toString('utf8');
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is empty: everything has ended.
  }
}
