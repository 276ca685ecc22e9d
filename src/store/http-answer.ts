/** Answers over HTTP as values: bodies within bounds, JSON. */
import { G8Error } from '../base/errors.ts';
import { safeText } from './http-url.ts';

export interface HttpResponse {
  readonly status: number;
  /** First value of a header, by its lower-case name. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Whether the body is as it was asked for: without content encoding. */
export function isPlain(response: HttpResponse): boolean {
  return (response.header('content-encoding') ?? 'identity') === 'identity';
}

/**
 * Reads a body of at most `sizeMax` bytes.
 *
 * @throws ERR_PROTOCOL when it is larger or encoded in a way nobody asked for
 */
export async function readBody(
  response: HttpResponse,
  sizeMax: number,
  what: string,
): Promise<Uint8Array> {
  if (!isPlain(response)) {
    const encoding = safeText(response.header('content-encoding') ?? '');
    throw new G8Error('ERR_PROTOCOL', `${what} came with content encoding ${encoding}`);
  }
  const tooLarge = () =>
    new G8Error('ERR_PROTOCOL', `${what} is larger than ${sizeMax} bytes`, {
      details: { sizeMax },
    });
  if (Number(response.header('content-length') ?? 0) > sizeMax) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body) {
    size += piece.length;
    if (size > sizeMax) throw tooLarge();
    pieces.push(piece);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/** Reads a JSON body. @throws ERR_PROTOCOL */
export async function readJson(
  response: HttpResponse,
  sizeMax: number,
  what: string,
): Promise<unknown> {
  const bytes = await readBody(response, sizeMax, what);
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new G8Error('ERR_PROTOCOL', `${what} is no JSON`, { cause: error });
  }
}
