/** What is shown beside a flist under its name with another extension: `.txt`, `.json`. Its page is `web/pages/flist.ts`. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { baseUrl } from '../base-url.ts';
import type { FlistRecord } from '../catalogue/records.ts';
import { flistFile, parseFlistName } from '../names.ts';
import type { HubContext } from '../route.ts';

const VIEWS = ['txt', 'json'] as const;
export type View = (typeof VIEWS)[number];

/** What a file name asks for: `<name>.flist.<view>` or `<name>.<view>`. */
export function parseView(
  file: string,
): { readonly view: View; readonly name: string } | undefined {
  const view = VIEWS.find((extension) => file.endsWith(`.${extension}`));
  if (view === undefined) return undefined;
  const name = parseFlistName(file.slice(0, -(view.length + 1)));
  return name === undefined ? undefined : { view, name };
}

export interface ViewedFlist {
  readonly repository: string;
  /** Without extension. */
  readonly name: string;
  readonly flist: FlistRecord;
}

/** Sends a view of a flist that may be seen. */
export async function sendView(
  context: HubContext,
  request: FastifyRequest,
  reply: FastifyReply,
  view: View,
  viewed: ViewedFlist,
): Promise<FastifyReply> {
  const facts = factsOf(context, request, viewed);
  if (view === 'json') return reply.send(facts);
  return reply.type('text/plain; charset=utf-8').send(formatFacts(facts));
}

/** In the order in which they are shown. */
interface Facts {
  readonly flist: string;
  readonly uploader: string;
  readonly source: string;
  readonly storage: string;
  readonly checksum: string;
}

function factsOf(
  context: HubContext,
  request: FastifyRequest,
  { repository, name, flist }: ViewedFlist,
): Facts {
  const base = baseUrl(context, request);
  const { publicBackend } = context;
  const file = flistFile(name);
  return {
    flist: file,
    uploader: flist.uploader ?? repository,
    source: `${base}/${encodeURIComponent(repository)}/${encodeURIComponent(file)}`,
    storage:
      publicBackend === undefined ? base : `zdb://${publicBackend.host}:${publicBackend.port}`,
    checksum: flist.md5,
  };
}

function formatFacts({ flist, uploader, source, storage, checksum }: Facts): string {
  const rows = [
    ['File:', flist],
    ['Uploader:', uploader],
    ['Source:', source],
    ['Storage:', storage],
    ['Checksum:', checksum],
  ] as const;
  return rows.map(([title, value]) => `${title.padEnd(10)}${value}\n`).join('');
}
