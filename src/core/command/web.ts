/** `web.download`: a file of a web server becomes a file of the place. */
import { constants } from 'node:fs';
import { Agent, fetch } from 'undici';
import { closeFile, openFile, remove, writeFile } from '../guest/files.ts';
import type { Guest } from '../guest/guest.ts';
import { text } from './arguments.ts';
import { CommandError } from './error.ts';
import type { CommandHandler } from './registry.ts';

/** Longest wait for the head of the answer and between two pieces of its body. */
const IDLE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const BLOCK_SIZE = 512 * 1024;

export const WEB: Readonly<Record<string, CommandHandler>> = {
  'web.download': async (args, { guest, job }) => {
    await download(guest, text(args, 'url'), text(args, 'destination'), job.signal);
  },
};

/** A destination whose download fails is taken away. */
async function download(
  guest: Guest,
  url: string,
  destination: string,
  signal: AbortSignal,
): Promise<void> {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new CommandError(400, `'${url}' is no http or https URL`);
  }
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: IDLE_MS,
    bodyTimeout: IDLE_MS,
  });
  try {
    // A signal of its own: fetch takes none whose number of listeners is unlimited.
    const response = await fetch(url, { dispatcher, signal: AbortSignal.any([signal]) });
    if (!response.ok || response.body === null) {
      throw new CommandError(500, `the server answers ${response.status} ${response.statusText}`);
    }
    await save(guest, destination, response.body);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { cause, message } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new CommandError(500, `download of ${url}: ${reason}`, { cause: error });
  } finally {
    await dispatcher.destroy();
  }
}

async function save(
  guest: Guest,
  destination: string,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  const release = guest.hold();
  try {
    const handle = await openFile(guest, destination, { flags, mode: 0o644 });
    try {
      for await (const piece of body) {
        for (let at = 0; at < piece.length; at += BLOCK_SIZE) {
          await writeFile(guest, handle, piece.subarray(at, at + BLOCK_SIZE));
        }
      }
    } catch (error) {
      await remove(guest, destination);
      throw error;
    } finally {
      await closeFile(guest, handle);
    }
  } finally {
    release();
  }
}
