/** A regular file of an image: its attributes, a preview, and its bytes straight from the chunks. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { toHex } from '../../../base/bytes.ts';
import { G8Error } from '../../../base/errors.ts';
import type { Content as ImageContent } from '../../../format/content.ts';
import { type ReadOptions, readRange } from '../../../image/read.ts';
import { visibleChunks } from '../../access/visible-chunks.ts';
import { Problem, problemOf } from '../../problem.ts';
import { parameter } from '../../route.ts';
import { type Content, sendContent } from '../../send-content.ts';
import { CONTENT_POLICY } from '../headers.ts';
import { type Html, html } from '../html.ts';
import { entryHref, imagePath, pathNames } from '../names.ts';
import { countOf, digestOf, sizeOf } from '../parts.ts';
import { attributes, type Place } from '../place.ts';
import { hexDump, imageType, textOf } from '../preview.ts';
import { flistOf, type Visit } from '../visit.ts';

/** Read for a preview: of a text all of it is shown. */
const PREVIEW_SIZE = 64 * 1024;
const DUMP_SIZE = 512;
const PICTURE_SIZE_MAX = 8 * 1024 * 1024;

export async function fileView(visit: Visit, { flist, image, inode, names }: Place): Promise<Html> {
  const number = image.contents.contentOf(inode.ino);
  const content = number === undefined ? undefined : image.contents.toContent(number);
  const summary = number === undefined ? undefined : image.contents.content(number);
  const raw = entryHref(flist.shown, 'raw', names);
  return html`<div class="columns">
<section aria-label="Preview">${content === undefined ? html`<p class="empty">This file is empty.</p>` : await previewOf(visit, content, raw)}</section>
<aside aria-label="Facts">
<p><a class="button" href="${raw}" download>Download</a></p>
${attributes(
  inode,
  ['Size', sizeOf(inode.size)],
  ['Chunks', summary && countOf(summary.chunkCount)],
  ['Stored in', summary && html`blocks of ${sizeOf(summary.blockSize)}`],
  [
    'Holes',
    summary && summary.size > summary.dataBytes && sizeOf(summary.size - summary.dataBytes),
  ],
  ['Content', summary && digestOf(toHex(summary.digest))],
)}
</aside></div>`;
}

async function previewOf(visit: Visit, content: ImageContent, raw: string): Promise<Html> {
  let head: Uint8Array;
  try {
    const range = { offset: 0, length: PREVIEW_SIZE };
    const pieces: Uint8Array[] = [];
    for await (const piece of readRange(content, range, readingOf(visit))) pieces.push(piece);
    head = Buffer.concat(pieces);
  } catch (error) {
    if (!(error instanceof G8Error)) throw error;
    visit.request.log.warn({ err: error }, 'a file cannot be shown');
    return html`<p class="note warn" role="status">The content is not to be had here: ${problemOf(error).message}.</p>`;
  }
  const picture = imageType(head);
  if (picture !== undefined && content.size <= PICTURE_SIZE_MAX) {
    return html`<p class="picture"><img src="${raw}?view" alt="Preview of the picture"></p>`;
  }
  const text = textOf(head, head.length < content.size);
  if (text !== undefined) {
    const lines = text.replace(/\n$/, '').split('\n');
    return html`<pre class="text" tabindex="0" aria-label="Text of the file"><code>${lines.map((line) => html`<span>${line}\n</span>`)}</code></pre>
${head.length < content.size && html`<p class="dim">The first ${sizeOf(head.length)} of ${sizeOf(content.size)}.</p>`}`;
  }
  return html`<pre class="dump" tabindex="0" aria-label="First bytes of the file"><code>${hexDump(head.subarray(0, DUMP_SIZE))}</code></pre>
<p class="dim">The first ${countOf(Math.min(DUMP_SIZE, head.length))} of ${sizeOf(content.size)}, no text.</p>`;
}

/** `/{repository}/{file}/raw/…`: the bytes, as a download; with `?view` a picture may be shown within a page. */
export async function rawFile(visit: Visit): Promise<FastifyReply> {
  const { context, request, reply } = visit;
  const flist = await flistOf(visit);
  const path = imagePath(parameter(request, '*'));
  const { published, release } = await context.images.take(flist.flist.digest);
  try {
    const { index, contents } = published.image;
    const nid = index.resolvePath(path);
    const inode = nid === undefined ? undefined : index.inode(nid);
    if (inode?.type !== 'file') throw new Problem(404, 'There is no such file in this flist');
    const number = contents.contentOf(inode.ino);
    const content = number === undefined ? undefined : contents.toContent(number);
    const digest = number === undefined ? 'empty' : toHex(contents.content(number).digest);
    const isView = (request.query as Record<string, unknown>)['view'] !== undefined;
    const headers = await headersOf(visit, content, pathNames(path).at(-1) as string, isView);
    // It is what it is for good, but who may read it can change.
    return await sendContent(request, reply, contentOf(visit, content, digest, headers));
  } finally {
    release();
  }
}

async function headersOf(
  visit: Visit,
  content: ImageContent | undefined,
  name: string,
  isView: boolean,
): Promise<Record<string, string>> {
  const policy = { 'content-security-policy': CONTENT_POLICY };
  if (isView && content !== undefined && content.size <= PICTURE_SIZE_MAX) {
    const range = { offset: 0, length: DUMP_SIZE };
    const pieces: Uint8Array[] = [];
    for await (const piece of readRange(content, range, readingOf(visit))) pieces.push(piece);
    const type = imageType(Buffer.concat(pieces));
    if (type !== undefined)
      return { ...policy, 'content-type': type, 'content-disposition': 'inline' };
  }
  // RFC 8187: the plain name for old clients has what is safe in quotes.
  const plain = name.replace(/[^A-Za-z0-9._+@ ~-]/g, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return {
    ...policy,
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`,
  };
}

function contentOf(
  visit: Visit,
  content: ImageContent | undefined,
  etag: string,
  headers: Record<string, string>,
): Content {
  return {
    size: content?.size ?? 0,
    etag,
    headers,
    read: async (start, end) => {
      const pieces = readRange(
        content as ImageContent,
        { offset: start, length: end - start },
        readingOf(visit),
      );
      // A first chunk that is missing is an answer; a later one can only break the download off.
      const first = await pieces.next();
      return Readable.from(
        (async function* () {
          if (!first.done) yield first.value;
          yield* pieces;
        })(),
        { objectMode: false },
      );
    },
    close: async () => {},
  };
}

function readingOf({ context, identity }: Visit): ReadOptions {
  const { addon } = context;
  if (addon === undefined) throw new Problem(501, 'This hub cannot read chunks');
  return { store: visibleChunks(context, async () => identity), codec: addon };
}
