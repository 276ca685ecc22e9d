/** JSON that is longer than memory should be: sent piece by piece while it is made. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

const TYPE = 'application/json; charset=utf-8';
// Small pieces would cost more than what is in them.
const PIECE_LENGTH = 16 * 1024;

/** Sends text that is JSON already. A failure in the middle cuts the connection. */
export function sendJsonText(
  reply: FastifyReply,
  pieces: AsyncIterable<string> | Iterable<string>,
): FastifyReply {
  return reply.type(TYPE).send(Readable.from(gathered(pieces), { objectMode: false }));
}

/** `[item, …]` */
export async function* arrayText(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  let separator = '[';
  for await (const item of items) {
    yield `${separator}${JSON.stringify(item)}`;
    separator = ',';
  }
  yield separator === '[' ? '[]' : ']';
}

/** `{key: text, …}`; the texts are JSON already. */
export async function* objectText(
  members: AsyncIterable<readonly [key: string, text: AsyncIterable<string>]>,
): AsyncGenerator<string> {
  let separator = '{';
  for await (const [key, text] of members) {
    yield `${separator}${JSON.stringify(key)}:`;
    yield* text;
    separator = ',';
  }
  yield separator === '{' ? '{}' : '}';
}

async function* gathered(pieces: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Buffer> {
  let text = '';
  for await (const piece of pieces) {
    text += piece;
    if (text.length < PIECE_LENGTH) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(`${text}\n`);
}
