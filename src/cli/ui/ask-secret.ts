/** Secrets from whoever runs the program: from stdin, else from the terminal, without showing them. */
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { G8Error } from '../../base/errors.ts';
import type { Context } from '../context.ts';

const SECRET_SIZE_MAX = 16 * 1024;

/**
 * @param question shown on a terminal only
 * @returns the first line, without blanks around it
 * @throws ERR_USAGE when there is neither a secret on stdin nor a terminal, ERR_ABORTED
 */
export async function askSecret(context: Context, question: string): Promise<string> {
  const { stdin } = context;
  const text = stdin === undefined ? await askTerminal(context, question) : await readLine(stdin);
  const secret = text.trim();
  if (secret === '') throw new G8Error('ERR_USAGE', `No ${question} was given`);
  return secret;
}

async function readLine(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stdin) {
    pieces.push(Buffer.from(piece));
    size += piece.length;
    if (size > SECRET_SIZE_MAX) throw new G8Error('ERR_USAGE', 'Stdin has more than a secret');
  }
  return Buffer.concat(pieces).toString('utf8').split('\n', 1)[0] as string;
}

async function askTerminal({ stderr, signal }: Context, question: string): Promise<string> {
  let terminal: ReadStream;
  try {
    // Not stdin: that is kept for data.
    terminal = new ReadStream(openSync('/dev/tty', 'r+'));
  } catch (error) {
    const message = `There is no terminal to ask for the ${question} at: give it on stdin`;
    throw new G8Error('ERR_USAGE', message, { cause: error });
  }
  // The editor echoes to its output; what it is given here shows nothing.
  const output = new Writable({ write: (_bytes, _encoding, done) => done() });
  const lines = createInterface({ input: terminal, output, terminal: true });
  const interrupted = new AbortController();
  lines.once('SIGINT', () => interrupted.abort());
  stderr.write(`${question}: `);
  try {
    return await lines.question('', { signal: AbortSignal.any([signal, interrupted.signal]) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new G8Error('ERR_ABORTED', 'Interrupted', { cause: error });
  } finally {
    stderr.write('\n');
    lines.close();
    terminal.destroy();
  }
}
