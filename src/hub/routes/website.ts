/** Files in a flist that was uploaded as a whole file, as a website; only flists are served so. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import mime from 'mime/lite';
import { toHex } from '../../base/bytes.ts';
import { type Inode, S_IFDIR, S_IFMT, S_IFREG } from '../../format/tree.ts';
import { readRange } from '../../image/read.ts';
import { ANONYMOUS } from '../access/identity.ts';
import { visibleChunks } from '../access/visible-chunks.ts';
import { FILE, type FileRecord } from '../catalogue/records.ts';
import { readFlistOf } from '../flist-settings.ts';
import type { OperationDocs } from '../operation.ts';
import { Problem } from '../problem.ts';
import { addRoute, type HubContext, parameter } from '../route.ts';
import { sendContent } from '../send-content.ts';
import { findInTree } from '../tree-path.ts';
import { requireAddon } from '../uploads/image.ts';

const INDEX = 'index.html';
/** Trees of small flists are kept; others are read anew for each file. */
const KEPT_COUNT = 8;
const KEPT_SIZE_MAX = 4 * 1024 * 1024;

const docs = (id: string): OperationDocs => ({
  id,
  tag: 'files',
  summary: 'A file in a flist that was uploaded as a file; without a path index.html',
  answers: { 200: { text: 'The file', type: '*/*' } },
});

export function websiteRoutes(app: FastifyInstance, context: HubContext): void {
  const trees = new LRUCache<string, Inode>({ max: KEPT_COUNT });
  const get = (request: FastifyRequest, reply: FastifyReply) =>
    sendPage(context, trees, request, reply);
  addRoute(app, '/website/:hash', { get }, {}, { get: docs('getWebsite') });
  addRoute(app, '/website/:hash/*', { get }, {}, { get: docs('getWebsiteFile') });
}

async function sendPage(
  context: HubContext,
  trees: LRUCache<string, Inode>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const hash = parameter(request, 'hash');
  const file = /^[0-9a-f]{64}$/.test(hash) ? await context.catalogue.get(FILE, hash) : undefined;
  if (file === undefined) throw absent();
  const path = parameter(request, '*') || INDEX;
  if (path.includes('\0')) throw absent();
  const root = await treeOf(context, trees, file);
  let inode = findInTree(root, path);
  if (inode !== undefined && (inode.mode & S_IFMT) === S_IFDIR) {
    inode = findInTree(inode, INDEX);
  }
  if (inode === undefined || (inode.mode & S_IFMT) !== S_IFREG) throw absent();
  const { content, size } = inode;
  const codec = requireAddon(context);
  // Whoever asks: the answer is kept by caches, and its page may come from anybody.
  const publicChunks = visibleChunks(context, async () => ANONYMOUS);
  const name = path.endsWith('/') ? INDEX : path;
  const type = mime.getType(name) ?? (name.includes('.') ? undefined : 'text/html');
  return await sendContent(request, reply, {
    size,
    etag: `${hash.slice(0, 16)}-${content?.chunks[0] ? toHex(content.chunks[0].id).slice(0, 16) : '0'}-${size}`,
    headers: {
      'content-type': type ?? 'application/octet-stream',
      // Pages of anyone on the hub's own origin: they get an origin of their own.
      'content-security-policy': 'sandbox allow-scripts allow-forms allow-popups',
      'cache-control': 'public, max-age=3600',
    },
    read: async (offset, end) =>
      content === undefined
        ? new Uint8Array(0)
        : Readable.from(
            readRange(content, { offset, length: end - offset }, { store: publicChunks, codec }),
            { objectMode: false },
          ),
    close: async () => {},
  });
}

async function treeOf(
  context: HubContext,
  trees: LRUCache<string, Inode>,
  { digest, size }: FileRecord,
): Promise<Inode> {
  const kept = trees.get(digest);
  if (kept !== undefined) return kept;
  const root = await readFlistOf(context, { digest }, (flist) => flist.tree());
  if (size <= KEPT_SIZE_MAX) trees.set(digest, root);
  return root;
}

function absent(): Problem {
  return new Problem(404, 'There is no such page');
}
